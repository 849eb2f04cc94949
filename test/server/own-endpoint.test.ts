/** Servers that listen on all addresses learn from others at which one they are reached. */
import { networkInterfaces } from 'node:os';
import { afterEach, describe, expect, it } from 'vitest';
import { systemEnv } from '../../src/base/env.ts';
import { generateSecretKey } from '../../src/crypto/index.ts';
import { formatEnode, parseEnode, parseRecord, signRecord } from '../../src/enr/index.ts';
import {
  Discv4Service,
  type Discv4ServiceEvent,
  type Discv4ServiceOptions,
  type ServerOptions,
} from '../../src/server/index.ts';
import { codeOf } from '../support/errors.ts';
import { TestServer } from '../support/servers.ts';

const KEY = generateSecretKey(systemEnv);

const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((it) => it.close()));
});

async function started(host: string, options: Partial<ServerOptions> = {}): Promise<TestServer> {
  const server = new TestServer({ discovery: true, listen: { host, port: 0 }, ...options });
  open.push(server);
  await server.start();
  return server;
}

async function asker(host: string): Promise<Discv4Service> {
  const service = new Discv4Service({ key: generateSecretKey(systemEnv), listen: { host, port: 0 } });
  open.push(service);
  await service.start();
  return service;
}

/** The record that the last one gets of those who ask: whoever gets one has answered a Ping. */
async function asked(server: TestServer, askers: readonly Discv4Service[], host: string) {
  const enode = formatEnode({ ...parseEnode(server.enode), host });
  let record = parseRecord(server.enr);
  for (const one of askers) record = await one.requestRecord(enode);
  return record;
}

describe('a server on all addresses', () => {
  it('learns its own from those who have answered its Pings, and tells it', async () => {
    const first = await started('0.0.0.0');
    const servers = [first, await started('0.0.0.0', { bootnodes: [first.enode] }), await started('0.0.0.0')];
    const askers = await Promise.all(['0.0.0.0', '0.0.0.0', '127.0.0.1'].map(asker));
    for (const server of servers) {
      const { tcpPort, udpPort } = parseEnode(server.enode);
      const record = await asked(server, askers, '127.0.0.1');
      expect(record.entries()).toMatchObject({ ip: '127.0.0.1', tcp: tcpPort, udp: udpPort });
      expect(server.enr).toBe(record.toString());
      expect((await asked(server, askers, '127.0.0.1')).seq).toBe(record.seq);
    }
  });

  it('of both families learns one of each', async () => {
    const server = await started('::');
    const { tcpPort: tcp, udpPort: udp } = parseEnode(server.enode);
    const ipv4 = await Promise.all(['127.0.0.1', '127.0.0.1', '127.0.0.1'].map(asker));
    expect((await asked(server, ipv4, '127.0.0.1')).entries()).toMatchObject({ ip: '127.0.0.1', tcp, udp });
    const ipv6 = await Promise.all(['::1', '::1', '::1'].map(asker));
    const both = { ip: '127.0.0.1', tcp, udp, ip6: '::1', tcp6: tcp, udp6: udp };
    expect((await asked(server, ipv6, '::1')).entries()).toMatchObject(both);
  });

  it('that knows its address names it from the start, and does not change it', async () => {
    const server = await started('0.0.0.0', { externalIp: '203.0.113.7' });
    expect(parseEnode(server.enode).host).toBe('203.0.113.7');
    const askers = await Promise.all(['127.0.0.1', '127.0.0.1', '127.0.0.1'].map(asker));
    const { seq } = parseRecord(server.enr);
    // Others do not take a record that leads elsewhere than to whom they asked.
    for (const one of askers) await one.ping(formatEnode({ ...parseEnode(server.enode), host: '127.0.0.1' }));
    expect(parseRecord(server.enr).get('ip')).toBe('203.0.113.7');
    expect(parseRecord(server.enr).seq).toBe(seq);
  });
});

describe('a discovery service by itself', () => {
  const enodeAt = ({ publicKey, port }: Discv4Service, host: string) =>
    formatEnode({ publicKey, host, tcpPort: 0, udpPort: port });
  async function service(options: Partial<Discv4ServiceOptions> = {}): Promise<Discv4Service> {
    const key = generateSecretKey(systemEnv);
    const made = new Discv4Service({ key, listen: { host: '0.0.0.0', port: 0 }, ...options });
    open.push(made);
    await made.start();
    return made;
  }
  /** Whoever gets the record has answered a Ping. */
  const askedBy = (hosts: readonly string[], url: string) =>
    Promise.all(hosts.map(async (host) => (await asker(host)).requestRecord(url)));

  it.each([
    ['0.0.0.0', '127.0.0.1', { ip: '127.0.0.1' }],
    ['::ffff:0:0', '127.0.0.1', { ip: '127.0.0.1' }],
    ['::', '127.0.0.1', { ip: '127.0.0.1' }],
    ['::0', '::1', { ip6: '::1' }],
  ])('on %s learns from those who have answered that it is at %s', async (host, seen, address) => {
    const told: Discv4ServiceEvent[] = [];
    const onEvent = (event: Discv4ServiceEvent) => {
      if (event.kind === 'endpoint-changed') told.push(event);
    };
    const learning = await service({ listen: { host, port: 0 }, tcpPort: 7, onEvent });
    const before = learning.record;
    const { ip, ip6 } = before.entries();
    expect([ip, ip6]).toEqual([undefined, undefined]);
    await askedBy([seen, seen, seen], enodeAt(learning, seen));
    const { port } = learning;
    const ports = 'ip' in address ? { tcp: 7, udp: port } : { tcp6: 7, udp6: port };
    expect(learning.record.entries()).toMatchObject({ ...address, ...ports });
    expect(learning.record.seq).toBe(before.seq + 1n);
    expect(told).toEqual([{ kind: 'endpoint-changed', record: learning.record }]);
  });

  it.each([
    [{ externalIp: '::ffff:203.0.113.7' }, '203.0.113.7'],
    [{ listen: { host: '127.0.0.1', port: 0 } }, '127.0.0.1'],
  ])('with %j names %s from the start, and does not change it', async (options, ip) => {
    const knowing = await service(options);
    const { record } = knowing;
    expect(record.entries()).toMatchObject({ ip, udp: knowing.port });
    await askedBy(['127.0.0.1', '127.0.0.1', '127.0.0.1'], enodeAt(knowing, '127.0.0.1'));
    expect(knowing.record).toBe(record);
  });

  it('shows the record that its user gives, whatever others see', async () => {
    const key = generateSecretKey(systemEnv);
    const record = signRecord(key, { seq: 7n });
    const given = await service({ key, record: () => record });
    await askedBy(['127.0.0.1', '127.0.0.1', '127.0.0.1'], enodeAt(given, '127.0.0.1'));
    expect(given.record).toBe(record);
  });

  it.each([
    ['of no host', { externalIp: '0.0.0.0' }],
    ['that is no address', { externalIp: 'example.org' }],
    ['of another family', { externalIp: '2001:db8::7' }],
    ['beside a record', { externalIp: '203.0.113.7', record: () => signRecord(KEY, { seq: 1n }) }],
  ])('takes no externalIp %s', async (_, options) => {
    const make = () => new Discv4Service({ key: KEY, listen: { host: '0.0.0.0', port: 0 }, ...options });
    expect(codeOf(make)).toBe('invalid-argument');
  });
});

describe('a server on all addresses, in whatever text', () => {
  it.each([
    ['::0', '::1'],
    ['0:0:0:0:0:0:0:0', '::1'],
    ['::ffff:0:0', '127.0.0.1'],
  ])('as %s is known by %s, and its record names no address before others do', async (host, known) => {
    const server = await started(host);
    expect(parseEnode(server.enode).host).toBe(known);
    const { ip, ip6 } = parseRecord(server.enr).entries();
    expect([ip, ip6]).toEqual([undefined, undefined]);
    const record = await asked(server, await Promise.all([known, known, known].map(asker)), known);
    expect(record.get(known.includes(':') ? 'ip6' : 'ip')).toBe(known);
  });

  it('may be known by an address of either family', async () => {
    for (const externalIp of ['203.0.113.7', '2001:db8::7']) {
      expect(codeOf(() => new TestServer({ externalIp, listen: { host: '::0', port: 0 } }))).toBe('none');
    }
  });

  it('is named without the zone of the address that it listens on', async () => {
    const [loopback] =
      Object.entries(networkInterfaces()).find(([, all]) => all?.some(({ address }) => address === '::1')) ??
      [];
    const server = await started(`0::1%${loopback}`);
    expect(parseEnode(server.enode).host).toBe('::1');
    expect(parseRecord(server.enr).get('ip6')).toBe('::1');
  });
});

describe('externalIp', () => {
  const listening = (host: string) => ({ listen: { host, port: 0 } });
  it.each([
    ['in the canonical form', '::ffff:203.0.113.7', listening('0.0.0.0'), '203.0.113.7'],
    ['of IPv6 where all is listened on', '2001:DB8:0::7', listening('::'), '2001:db8::7'],
    ['of IPv4 where all is listened on', '203.0.113.7', listening('::'), '203.0.113.7'],
    ['of a server behind a translator', '203.0.113.7', listening('127.0.0.1'), '203.0.113.7'],
    ['of one that dials only', '203.0.113.7', { listen: undefined, discovery: true }, '203.0.113.7'],
    ['without discovery', '203.0.113.7', { ...listening('127.0.0.1'), discovery: false }, '203.0.113.7'],
  ])('is taken %s', async (_, externalIp, options, host) => {
    const server = await started('', { externalIp, ...options });
    expect(parseEnode(server.enode).host).toBe(host);
    expect(parseRecord(server.enr).get(host.includes(':') ? 'ip6' : 'ip')).toBe(host);
  });

  it.each([
    ['that is no address', 'example.org', listening('0.0.0.0')],
    ['that no host has', '0.0.0.0', listening('0.0.0.0')],
    ['of a group', 'ff02::1', listening('::')],
    ['of another family', '2001:db8::7', listening('0.0.0.0')],
    ['of the other family', '203.0.113.7', listening('::1')],
    ['of a server that listens nowhere', '203.0.113.7', { listen: undefined, discovery: false }],
    ['of one without any UDP', '203.0.113.7', { listen: undefined, discovery: { v4: false } }],
  ])('is refused %s', (_, externalIp, options) => {
    expect(codeOf(() => new TestServer({ externalIp, ...options }))).toBe('invalid-argument');
  });
});
