/** Servers that listen on an address of each family: two listeners, two UDP sockets, one table, one record. */
import { createServer, type Server as NetServer } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { systemEnv } from '../../src/base/env.ts';
import { generateSecretKey } from '../../src/crypto/index.ts';
import { parseEnode, parseRecord } from '../../src/enr/index.ts';
import { bindUdp } from '../../src/io/udp.ts';
import { Discv4Service, type ServerOptions } from '../../src/server/index.ts';
import { Listeners } from '../../src/server/listeners.ts';
import { codeOf } from '../support/errors.ts';
import { isKind, startedServer, TestServer } from '../support/servers.ts';

const IPV4 = { host: '127.0.0.1', port: 0 };
const IPV6 = { host: '::1', port: 0 };
const BOTH = [IPV4, IPV6];

const hostOf = (enode: string): string => parseEnode(enode).host;

/** A listener of somebody else. */
async function taken(host: string): Promise<{ readonly server: NetServer; readonly port: number }> {
  const server = createServer();
  onTestFinished(() => void server.close());
  await new Promise<void>((resolve) => void server.listen(0, host, resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return { server, port: address.port };
}

async function freePort(host: string): Promise<number> {
  const { server, port } = await taken(host);
  await new Promise((resolve) => void server.close(resolve));
  return port;
}

describe('a server on an address of each family', () => {
  it('has one record with the endpoints of both, and an enode URL of each, in the order that was given', async () => {
    const server = await startedServer({ listen: [IPV6, IPV4], discovery: true });
    const [six, four] = server.enodes.map((enode) => parseEnode(enode));
    expect([six?.host, four?.host]).toEqual(['::1', '127.0.0.1']);
    expect(server.enode).toBe(server.enodes[0]);
    expect(parseRecord(server.enr).entries()).toMatchObject({
      ...{ ip: '127.0.0.1', tcp: four?.tcpPort, udp: four?.udpPort },
      ...{ ip6: '::1', tcp6: six?.tcpPort, udp6: six?.udpPort },
    });
    const { enode, enodes, enr } = server;
    expect(server.seen.filter(isKind('listening'))).toEqual([{ kind: 'listening', enode, enodes, enr }]);
    expect(server.discovery?.v5?.endpoints).toEqual([
      { host: '::1', port: six?.udpPort },
      { host: '127.0.0.1', port: four?.udpPort },
    ]);
  });

  it('lets peers in by either, and dials by either', async () => {
    const server = await startedServer({ listen: BOTH });
    const [four, six] = [await startedServer({ listen: IPV4 }), await startedServer({ listen: IPV6 })];
    const [atFour = '', atSix = ''] = server.enodes;
    const peers = [await four.dial(atFour), await six.dial(atSix)];
    expect(peers.map(({ info }) => info.remoteAddress)).toEqual(['127.0.0.1', '::1']);
    const dialing = await startedServer({ listen: BOTH });
    const dialed = [await dialing.dial(four.enode), await dialing.dial(six.enode)];
    expect(dialed.map(({ info }) => info.remoteAddress)).toEqual(['127.0.0.1', '::1']);
    expect(server.peers).toHaveLength(2);
  });

  it.each([
    ['v4', { v4: true, v5: false }],
    ['v5', { v4: false, v5: true }],
  ])('is found by %s, and those of each family find and dial each other through it', async (_, discovery) => {
    const middle = await startedServer({ listen: BOTH, discovery, maxPeers: 1, dialRatio: 1 });
    const bootnodes = [middle.enr];
    const [other, four, six] = await Promise.all(
      [BOTH, IPV4, IPV6].map((listen) => startedServer({ listen, discovery, bootnodes })),
    );
    const isPeer = (who: TestServer | undefined) => () =>
      other?.peers.some(({ info }) => Buffer.compare(info.id, who?.id ?? new Uint8Array()) === 0) ?? false;
    for (const one of [four, six]) {
      const isThere = isPeer(one);
      await other?.until(() => isThere());
      expect(isThere()).toBe(true);
    }
  });

  it('takes all addresses of each at one port', async () => {
    const port = await freePort('::');
    const listen = [
      { host: '0.0.0.0', port },
      { host: '::', port },
    ];
    const server = await startedServer({ listen, discovery: true });
    expect(server.enodes.map(hostOf)).toEqual(['127.0.0.1', '::1']);
    expect(server.enodes.map((enode) => parseEnode(enode).tcpPort)).toEqual([port, port]);
    for (const enode of server.enodes) {
      const { info } = await (await startedServer()).dial(enode);
      expect(info.remoteAddress).toBe(hostOf(enode));
    }
  });

  it('has the ports of TCP for UDP, at each address, or the one that is given', async () => {
    const udp = await bindUdp(IPV6, { message: () => undefined, failed: () => undefined });
    const discoveryPort = udp.port;
    await udp.close();
    const server = await startedServer({ listen: BOTH, discovery: true, discoveryPort });
    expect(server.enodes.map((enode) => parseEnode(enode).udpPort)).toEqual([discoveryPort, discoveryPort]);
  });

  it.each(['127.0.0.1', '::1'])('that cannot have %s leaves none open', async (host) => {
    const { port } = await taken(host);
    const other = host === '::1' ? '127.0.0.1' : '::1';
    const free = await freePort(other);
    const listen = [
      { host, port },
      { host: other, port: free },
    ];
    const server = new TestServer({ listen, discovery: true });
    await expect(server.start()).rejects.toMatchObject({ code: 'port-in-use' });
    const again = await startedServer({ listen: { host: other, port: free }, discovery: true });
    expect(parseEnode(again.enode)).toMatchObject({ host: other, tcpPort: free, udpPort: free });
  });

  it('whose UDP port is taken leaves no listener open', async () => {
    const free = await freePort('127.0.0.1');
    const udp = await bindUdp(IPV6, { message: () => undefined, failed: () => undefined });
    onTestFinished(() => udp.close());
    const listen = [
      { ...IPV4, port: free },
      { ...IPV6, port: udp.port },
    ];
    const server = new TestServer({ listen, discovery: true });
    await expect(server.start()).rejects.toMatchObject({ code: 'port-in-use' });
    await startedServer({ listen: { ...IPV4, port: free }, discovery: true });
  });

  it('closes both when it is closed, also while it starts', async () => {
    const ports = [await freePort('127.0.0.1'), await freePort('::1')];
    const listen = BOTH.map(({ host }, i) => ({ host, port: ports[i] ?? 0 }));
    const first = new TestServer({ listen, discovery: true });
    const starting = first.start();
    await first.close();
    await expect(starting).rejects.toMatchObject({ code: 'closed' });
    const second = new TestServer({ listen, discovery: true });
    await second.start();
    await second.close();
    await startedServer({ listen, discovery: true });
  });

  it('names the addresses that its user tells, for one family or both', async () => {
    const [ip, ip6] = ['203.0.113.7', '2001:db8::7'];
    const both = await startedServer({ listen: BOTH, externalIp: [ip6, ip] });
    expect(both.enodes.map(hostOf)).toEqual([ip, ip6]);
    expect(parseRecord(both.enr).entries()).toMatchObject({ ip, ip6 });
    const six = await startedServer({ listen: BOTH, nat: { extip: ip6 } });
    expect(six.enodes.map(hostOf)).toEqual([ip6, '127.0.0.1']);
    const everywhere = await startedServer({ listen: { host: '::', port: 0 }, externalIp: [ip, ip6] });
    const { tcpPort } = parseEnode(everywhere.enode);
    expect(parseRecord(everywhere.enr).entries()).toMatchObject({ ip, tcp: tcpPort, ip6, tcp6: tcpPort });
  });

  it('counts the votes of each family by itself', async () => {
    const server = await startedServer({
      listen: [
        { host: '0.0.0.0', port: 0 },
        { host: '::', port: 0 },
      ],
      discovery: { v5: false },
    });
    const [four = '', six = ''] = server.enodes;
    for (const [host, enode] of [
      ['::1', six],
      ['127.0.0.1', four],
    ] as const) {
      for (let i = 0; i < 3; i++) {
        const key = generateSecretKey(systemEnv);
        const asker = new Discv4Service({ key, listen: { host, port: 0 } });
        onTestFinished(() => asker.close());
        await asker.start();
        await asker.requestRecord(enode);
      }
      const entries = parseRecord(server.enr).entries();
      const is6 = host === '::1';
      expect([entries.ip6, entries.ip]).toEqual(['::1', is6 ? undefined : '127.0.0.1']);
    }
  });

  it('tells by a Ping at which TCP port of that family it listens', async () => {
    const server = await startedServer({ listen: BOTH, discovery: { v5: false } });
    for (const enode of server.enodes) {
      const { host, tcpPort } = parseEnode(enode);
      let told: (port: number) => void = () => undefined;
      const added = new Promise<number>((resolve) => (told = resolve));
      const asker = new Discv4Service({
        ...{ key: generateSecretKey(systemEnv), listen: { host, port: 0 } },
        onEvent: (event) => {
          if (event.kind === 'node-added') told(event.node.tcpPort);
        },
      });
      onTestFinished(() => asker.close());
      await asker.start();
      const record = await asker.requestRecord(enode);
      expect(await added).toBe(tcpPort);
      expect(record.toString()).toBe(server.enr);
    }
  });

  it('has one limit of peers for both, and one rule of networks', async () => {
    const limited = await startedServer({ listen: BOTH, netDeny: ['::1/128'], maxPeers: 1 });
    const six = await startedServer({ listen: IPV6 });
    const [atFour = '', atSix = ''] = limited.enodes;
    await expect(six.dial(atSix)).rejects.toBeDefined();
    const refused = await limited.until(isKind('connection-failed'));
    expect(refused).toMatchObject({ remoteAddress: '::1', error: { code: 'address-refused' } });
    // The limit is one for both.
    await startedServer({ staticNodes: [atFour] });
    await limited.until(isKind('peer-connected'));
    const late = await startedServer();
    await expect(late.dial(atFour)).rejects.toMatchObject({ code: 'remote-disconnect' });
  });
});

it('listeners know at which port a host of either family finds them', async () => {
  const events = { accept: () => undefined, failed: () => undefined };
  await using both = new Listeners(BOTH, events);
  expect([both.endpoints, both.portFor('::1')]).toEqual([[], 0]);
  await both.open();
  const [four, six] = both.endpoints;
  expect([both.portFor('203.0.113.7'), both.portFor('2001:db8::7')]).toEqual([four?.port, six?.port]);
  await using alone = new Listeners([{ host: '::', port: 0 }], events);
  await alone.open();
  expect(alone.portFor('203.0.113.7')).toBe(alone.endpoints[0]?.port);
});

describe('the options of a server', () => {
  const refused = (options: Partial<ServerOptions>) => codeOf(() => new TestServer(options));

  it.each<[string, Partial<ServerOptions>]>([
    ['no address', { listen: [] }],
    ['two of one family', { listen: [IPV4, { host: '127.0.0.2', port: 0 }] }],
    ['three', { listen: [IPV4, IPV6, IPV4] }],
    ['a name beside an address', { listen: [IPV6, { host: 'localhost', port: 0 }] }],
    ['an unknown key', { listen: [IPV4, { ...IPV6, family: 6 } as typeof IPV6] }],
    ['an external address of a family that is not listened on', { listen: IPV4, externalIp: ['::7'] }],
    ['two external addresses of one family', { listen: BOTH, externalIp: ['203.0.113.1', '203.0.113.2'] }],
    ['no external address', { listen: BOTH, externalIp: [] }],
  ])('refuse %s', (_, options) => {
    expect(refused(options)).toBe('invalid-argument');
  });

  it('take both orders, and a list of one', () => {
    for (const listen of [BOTH, BOTH.toReversed(), [IPV4], [IPV6]]) expect(refused({ listen })).toBe('none');
  });
});
