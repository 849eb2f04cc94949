/** Servers that find each other on the loopback address. */
import { afterEach, describe, expect, it } from 'vitest';
import { toBareHex } from '../../src/base/bytes.ts';
import { systemEnv } from '../../src/base/env.ts';
import { generateSecretKey, publicKeyOf } from '../../src/crypto/index.ts';
import { formatTreeUrl, signTree, treeTexts } from '../../src/dnsdisc/index.ts';
import {
  formatEnode,
  type NodeRecord,
  nodeIdOf,
  parseEnode,
  parseRecord,
  signRecord,
} from '../../src/enr/index.ts';
import { Discv4Service, NodeDatabase, type ServerOptions } from '../../src/server/index.ts';
import { codeOf, rejectionOf } from '../support/errors.ts';
import { recordSender } from '../support/scripted-node.ts';
import { isKind, LOOPBACK, startedServer, TestServer } from '../support/servers.ts';
import { uncaughtOf } from '../support/uncaught.ts';

const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((it) => it.close()));
});

const started = (options: Partial<ServerOptions> = {}): Promise<TestServer> =>
  startedServer({ discovery: true, ...options });

async function bootnode(): Promise<{ enode: string; enr: string }> {
  const key = generateSecretKey(systemEnv);
  const service = new Discv4Service({ key, listen: LOOPBACK });
  open.push(service);
  await service.start();
  const { publicKey, port } = service;
  const enode = formatEnode({ publicKey, host: LOOPBACK.host, tcpPort: 0, udpPort: port });
  return { enode, enr: service.record.toString() };
}

const forkOf = (hash: number) => ({ hash: Uint8Array.of(0, 0, 0, hash), next: 0n });
const entries = (hash: number) => () => ({ eth: forkOf(hash) });
const acceptsFork = (hash: number) => (record: NodeRecord) => record.get('eth')?.hash[3] === hash;
const searching = { listen: undefined, maxPeers: 30 } as const;

describe('a server with discovery', () => {
  it('names its UDP port in its enode URL only where that is another, and in its record', async () => {
    const same = await started();
    const { tcpPort, udpPort } = parseEnode(same.enode);
    const record = parseRecord(same.enr);
    expect([record.get('ip'), record.get('tcp'), record.get('udp')]).toEqual(['127.0.0.1', tcpPort, udpPort]);
    expect(same.enode.includes('discport')).toBe(tcpPort !== udpPort);
    const other = await started({ discoveryPort: 0 });
    expect(parseRecord(other.enr).get('udp')).toBe(parseEnode(other.enode).udpPort);
    const deaf = await started({ ...searching });
    expect(parseEnode(deaf.enode)).toMatchObject({ host: '127.0.0.1', tcpPort: 0 });
    expect(parseRecord(deaf.enr).get('tcp')).toBeUndefined();
    const off = await started({ discovery: false });
    expect([off.discovery, parseEnode(off.enode).udpPort]).toEqual([undefined, 0]);
  });

  it.each(['enode', 'enr'] as const)(
    'finds and dials another through a bootnode given as %s',
    async (form) => {
      const boot = await bootnode();
      const serving = await started({ bootnodes: [boot[form]] });
      const searcher = await started({ ...searching, bootnodes: [boot[form]] });
      const { peer } = await searcher.until(isKind('peer-connected'));
      expect(peer.id).toEqual(serving.id);
      const record = await searcher.discovery?.resolve(serving.id);
      expect(record?.toString()).toBe(serving.enr);
    },
  );

  it('dials nodes of its own fork only, and those that say nothing of theirs', async () => {
    const boot = (await bootnode()).enode;
    const [wrong, right] = await Promise.all(
      [2, 1].map((hash) =>
        started({
          bootnodes: [boot],
          discovery: { recordEntries: entries(hash), accepts: acceptsFork(hash) },
        }),
      ),
    );
    const database = await NodeDatabase.inMemory();
    open.push(database);
    const searcher = await started({
      ...{ ...searching, bootnodes: [boot], nodeDatabase: database },
      discovery: { accepts: acceptsFork(1) },
    });
    const { peer } = await searcher.until(isKind('peer-connected'));
    expect(peer.id).toEqual(right?.id);
    const wrongId = wrong?.id ?? new Uint8Array(64);
    await searcher.discovery?.resolve(wrongId);
    expect(searcher.peers.map(({ info }) => toBareHex(info.id))).toEqual([toBareHex(right?.id ?? wrongId)]);
    expect(wrong?.seen.filter(isKind('peer-connected'))).toEqual([]);
    expect(wrong?.seen.filter(isKind('connection-failed'))).toEqual([]);
    const stored = await database.get(nodeIdOf(peer.id));
    expect(stored).toMatchObject({ client: 'peerlane', forkId: forkOf(1), failures: 0 });
    expect(stored?.lastDial).toMatchObject({ error: undefined });
    expect((await database.get(nodeIdOf(wrongId)))?.lastDial).toBeUndefined();
  });

  it('has no nodes to give without any source of them', async () => {
    const server = await started({ discovery: { v4: false } });
    expect(await rejectionOf(server.discovery?.nodes().next() ?? Promise.resolve())).toBe('invalid-argument');
  });

  it('does not dial a node that somebody has told of, and that answers nothing', async () => {
    const boot = (await bootnode()).enode;
    await started({ bootnodes: [boot] });
    const publicKey = publicKeyOf(generateSecretKey(systemEnv));
    // Nobody listens at the discard port.
    const silent = formatEnode({ publicKey, host: LOOPBACK.host, tcpPort: 9, udpPort: 9 });
    const searcher = await started({ ...searching, bootnodes: [boot, silent] });
    await searcher.until(isKind('peer-connected'));
    expect(searcher.seen.filter(isKind('dial-failed'))).toEqual([]);
  });

  it('takes a node that sends a record which is none for one that knows of no records', async () => {
    const sender = await recordSender(Uint8Array.of(0xc0));
    const searcher = await started({
      ...searching,
      bootnodes: [sender.enode],
      discovery: { accepts: () => true },
    });
    for await (const { publicKey, record, source } of searcher.discovery?.nodes() ?? []) {
      expect([publicKey, record, source]).toEqual([sender.publicKey, undefined, 'v4']);
      break;
    }
    expect(searcher.seen.map(({ kind }) => kind)).not.toContain('discovery-failed');
  });

  it('takes the port of a node from its record, where its Pings name none', async () => {
    const key = generateSecretKey(systemEnv);
    const entries = { ip: LOOPBACK.host, tcp: 30_999 };
    const record = signRecord(key, { seq: 1n, entries });
    const service = new Discv4Service({ key, listen: LOOPBACK, record: () => record });
    open.push(service);
    await service.start();
    const { publicKey, port } = service;
    const enode = formatEnode({ publicKey, host: LOOPBACK.host, tcpPort: 0, udpPort: port });
    const searcher = await started({ ...searching, maxPeers: 1, bootnodes: [enode] });
    const first = await searcher.discovery?.nodes().next();
    expect(first?.value).toMatchObject({ publicKey, tcpPort: 30_999, udpPort: port });
  });

  it('gives mixed nodes to whoever waits for them', async () => {
    const boot = (await bootnode()).enode;
    const serving = await started({ bootnodes: [boot] });
    const searcher = await started({ ...searching, bootnodes: [boot] });
    const abort = new AbortController();
    const nodes = searcher.discovery?.nodes({ signal: abort.signal });
    const first = await nodes?.next();
    expect(first?.value).toMatchObject({ publicKey: serving.id, source: 'v4' });
    expect(first?.value?.record?.toString()).toBe(serving.enr);
    const next = nodes?.next();
    abort.abort();
    expect(await rejectionOf(next ?? Promise.resolve())).toBe('aborted');
    const late = searcher.discovery?.nodes();
    await searcher.close();
    expect(await rejectionOf(late?.next() ?? Promise.resolve())).toBe('closed');
  });

  it('finds peers from its database after a restart, without a bootnode', async () => {
    const database = await NodeDatabase.inMemory();
    open.push(database);
    const boot = (await bootnode()).enode;
    const serving = await started({ bootnodes: [boot] });
    const key = generateSecretKey(systemEnv);
    const options = { ...searching, key, nodeDatabase: database };
    const first = await started({ ...options, bootnodes: [boot] });
    await first.until(isKind('peer-connected'));
    const { seq } = parseRecord(first.enr);
    await first.close();
    const second = await started(options);
    const { peer } = await second.until(isKind('peer-connected'));
    expect(peer.id).toEqual(serving.id);
    expect(parseRecord(second.enr).seq).toBeGreaterThan(seq);
  });

  it('dials the nodes of a list in DNS', async () => {
    const serving = await started();
    const key = generateSecretKey(systemEnv);
    const tree = signTree({ domain: 'nodes.test', seq: 1n, records: [parseRecord(serving.enr)] }, key);
    const url = formatTreeUrl(tree.url);
    const texts = treeTexts(tree);
    const resolver = {
      resolveTxt: async (name: string) => [texts.get(name) ?? ''].filter((text) => text !== ''),
    };
    const searcher = await started({ ...searching, discovery: { v4: false, dns: [url], resolver } });
    const { peer } = await searcher.until(isKind('peer-connected'));
    expect(peer.id).toEqual(serving.id);
    expect(await rejectionOf(searcher.discovery?.resolve(serving.id) ?? Promise.resolve())).toBe('closed');
  });

  it('begins with a bootnode by its host name as soon as that can be looked up', async () => {
    const boot = (await bootnode()).enode;
    const serving = await started({ bootnodes: [boot] });
    const named = boot.replace('127.0.0.1', 'boot.test');
    let isThere = false;
    const lookup = async (host: string) => {
      if (!isThere) throw new Error(`no ${host}`);
      return '127.0.0.1';
    };
    /** Retries come at once. */
    const env = {
      ...systemEnv,
      setTimer: (ms: number, run: () => void) => systemEnv.setTimer(ms === 10_000 ? 0 : ms, run),
    };
    const searcher = await started({ ...searching, env, bootnodes: [named], discovery: { lookup } });
    const failure = await searcher.until(isKind('discovery-failed'));
    expect(failure).toMatchObject({ part: 'bootnode', retryInMs: 10_000, error: { code: 'lookup-failed' } });
    isThere = true;
    const { peer } = await searcher.until(isKind('peer-connected'));
    expect(peer.id).toEqual(serving.id);
  });

  it('is closed, not aborted, when it is closed while it starts', async () => {
    const { discovery } = new TestServer({ discovery: true });
    const starting = rejectionOf(discovery?.start([]) ?? Promise.resolve());
    await discovery?.close();
    expect(await starting).toBe('closed');
  });

  it('lets go of both its ports when it closes, and when one of them is taken', async () => {
    const first = await started();
    const { udpPort } = parseEnode(first.enode);
    const second = new TestServer({ discovery: true, discoveryPort: udpPort });
    expect(await rejectionOf(second.start())).toBe('port-in-use');
    await first.close();
    const third = await started({ discoveryPort: udpPort });
    expect(parseEnode(third.enode).udpPort).toBe(udpPort);
  });

  it.each<[string, Partial<ServerOptions>, string]>([
    ['a discovery that is no object', { discovery: JSON.parse('7') }, 'invalid-argument'],
    ['a port that is none', { discoveryPort: 65_536 }, 'invalid-argument'],
    ['a URL of a tree that is none', { discovery: { dns: ['enr:-'] } }, 'invalid-tree-url'],
    ['a resolver that is none', { discovery: { resolver: JSON.parse('{}') } }, 'invalid-argument'],
    ['a filter that is none', { discovery: { accepts: JSON.parse('1') } }, 'invalid-argument'],
    ['a database that is none', { nodeDatabase: JSON.parse('{}') }, 'invalid-argument'],
    ['a bootnode that is a broken record', { bootnodes: ['enr:-'] }, 'invalid-record'],
    ['a multicast address to listen at', { listen: { host: '224.0.0.1', port: 0 } }, 'invalid-argument'],
    ['one that is mapped', { listen: { host: '::ffff:224.0.0.1', port: 0 } }, 'invalid-argument'],
    ['one of IPv6', { discovery: true, listen: { host: 'ff02::1', port: 0 } }, 'invalid-argument'],
    ['the broadcast address', { listen: { host: '255.255.255.255', port: 0 } }, 'invalid-argument'],
    ['a port of a discovery that is off', { discovery: false, discoveryPort: 1 }, 'invalid-argument'],
    ['one without discovery v4', { discovery: { v4: false }, discoveryPort: 1 }, 'invalid-argument'],
    [
      'a host name to listen at',
      { discovery: true, listen: { host: 'localhost', port: 0 } },
      'invalid-argument',
    ],
  ])('refuses %s', (_, options, code) => {
    expect(codeOf(() => new TestServer(options))).toBe(code);
  });

  it('refuses an option that discovery does not have, by its name', () => {
    const make = () => new TestServer({ discovery: JSON.parse('{"dnss": []}') });
    expect(make).toThrow('discovery: there is no "dnss"; did you mean "dns"?');
    expect(codeOf(make)).toBe('invalid-argument');
  });

  it.each<[string, () => unknown]>([
    [
      'an error',
      () => {
        throw new TypeError('a bug of a chain');
      },
    ],
    ['null', () => null],
    ['a promise', () => Promise.reject(new TypeError('a bug of a chain'))],
    ['a list', () => []],
    ['what is no entry', () => ({ eth: 5 })],
  ])('does not start when its entries are %s', async (_, recordEntries) => {
    const discovery = { recordEntries: recordEntries as never };
    const server = new TestServer({ discovery });
    open.push(server);
    const uncaught = await uncaughtOf(async () => {
      await expect(server.start()).rejects.toMatchObject({
        ...{
          name: 'PeerlaneError',
          code: 'invalid-argument',
          message: expect.stringMatching(/recordEntries|eth/),
        },
      });
    });
    expect(uncaught).toEqual([]);
  });

  it('begins with a bootnode of both families where its own socket reaches it', async () => {
    const key = generateSecretKey(systemEnv);
    const boot = new Discv4Service({ key, listen: LOOPBACK });
    open.push(boot);
    await boot.start();
    const here = { ip: LOOPBACK.host, udp: boot.port };
    // That address comes first, since it is reached from everywhere.
    const entries = { ...here, ip6: '2606:4700::1', tcp6: 30_303, udp6: 30_303 };
    const record = signRecord(key, { seq: 1n, entries });
    for (const options of [{}, searching]) {
      const server = await started({ ...options, bootnodes: [record.toString()] });
      expect((await server.discovery?.resolve(boot.publicKey))?.encoded).toEqual(boot.record.encoded);
    }
  });

  it('refuses a bootnode that takes no part in discovery', async () => {
    const { enode } = await started({ discovery: false });
    expect(codeOf(() => new TestServer({ discovery: true, bootnodes: [enode] }))).toBe('invalid-argument');
    expect(codeOf(() => new TestServer({ bootnodes: [enode] }))).toBe('none');
    const nowhere = formatEnode({ ...parseEnode(enode), host: '0.0.0.0', udpPort: 9 });
    expect(codeOf(() => new TestServer({ discovery: true, bootnodes: [nowhere] }))).toBe('invalid-argument');
  });
});
