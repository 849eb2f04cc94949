/** Servers that listen on all addresses learn from others at which one they are reached. */
import { afterEach, describe, expect, it } from 'vitest';
import { systemEnv } from '../../src/base/env.ts';
import { generateSecretKey } from '../../src/crypto/index.ts';
import { formatEnode, parseEnode, parseRecord } from '../../src/enr/index.ts';
import { Discv4Service, type ServerOptions } from '../../src/server/index.ts';
import { codeOf } from '../support/errors.ts';
import { TestServer } from '../support/servers.ts';

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
