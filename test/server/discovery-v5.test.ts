/** Servers with discovery v5, alone or beside v4 on the same socket. */
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { toBareHex } from '../../src/base/bytes.ts';
import { systemEnv } from '../../src/base/env.ts';
import { generateSecretKey, publicKeyOf } from '../../src/crypto/index.ts';
import { decodeMessage, isPacket, type Message } from '../../src/discv4/index.ts';
import {
  formatEnode,
  hasTopicDiscovery,
  type NodeRecord,
  nodeIdOf,
  parseEnode,
  parseRecord,
} from '../../src/enr/index.ts';
import { bindUdp } from '../../src/io/udp.ts';
import { expose } from '../../src/observe/index.ts';
import {
  type DiscoveryOptions,
  Discv4Service,
  type Discv4ServiceOptions,
  Discv5Service,
  type Discv5ServiceOptions,
  NodeDatabase,
  Server,
  type ServerOptions,
} from '../../src/server/index.ts';
import { EventQueue } from '../interop/event-queue.ts';
import { codeOf, rejectionOf } from '../support/errors.ts';
import { readExposition } from '../support/exposition.ts';
import { isKind, LOOPBACK, startedServer, TestServer } from '../support/servers.ts';

/** Of new nodes one is checked every few seconds; one that was told of in vain is told of again after a minute. */
const PATIENCE_MS = 150_000;
const until = <T>(run: () => T | Promise<T>) => vi.waitFor(run, { timeout: PATIENCE_MS, interval: 20 });
const newKey = () => generateSecretKey(systemEnv);
const V5 = { v4: false, v5: true } as const;
const BOTH = { v4: true, v5: true } as const;
/** It dials, and nobody dials it. */
const SEARCHING = { listen: undefined, maxPeers: 30 } as const;

async function v4Node(options: Partial<Discv4ServiceOptions> = {}): Promise<Discv4Service> {
  const service = new Discv4Service({ key: newKey(), listen: LOOPBACK, ...options });
  onTestFinished(() => service.close());
  await service.start();
  return service;
}

async function v5Node(options: Partial<Discv5ServiceOptions> = {}): Promise<Discv5Service> {
  const service = new Discv5Service({ key: newKey(), listen: LOOPBACK, ...options });
  onTestFinished(() => service.close());
  await service.start();
  return service;
}

const enrOf = ({ record }: { readonly record: NodeRecord }) => record.toString();
const enodeOf = ({ publicKey, port }: Discv4Service | Discv5Service) =>
  formatEnode({ publicKey, host: LOOPBACK.host, tcpPort: 0, udpPort: port });
const serving = (discovery: DiscoveryOptions, ...bootnodes: readonly string[]) =>
  startedServer({ discovery: { accepts: () => false, ...discovery }, bootnodes });
const searching = (discovery: DiscoveryOptions, options: Partial<ServerOptions>) =>
  startedServer({ ...SEARCHING, discovery, ...options });
const forkEntries = (hash: number) => () => ({ eth: { hash: Uint8Array.of(0, 0, 0, hash), next: 0n } });
const acceptsFork = (hash: number) => (record: NodeRecord) => record.get('eth')?.hash[3] === hash;

describe('a server with discovery v5 alone', { timeout: PATIENCE_MS }, () => {
  it('finds and dials another through a bootnode, and resolves it', async () => {
    const boot = enrOf(await v5Node());
    const server = await serving(V5, boot);
    const searcher = await searching(V5, { bootnodes: [boot] });
    const { peer } = await searcher.until(isKind('peer-connected'));
    expect(peer.id).toEqual(server.id);
    const { discovery } = searcher;
    expect((await discovery?.resolve(server.id))?.toString()).toBe(server.enr);
    expect((await discovery?.v5?.resolve(nodeIdOf(server.id)))?.toString()).toBe(server.enr);
    expect(codeOf(() => discovery?.table)).toBe('closed');
    for await (const { publicKey, source, record } of discovery?.nodes() ?? []) {
      expect([publicKey, source, record?.toString()]).toEqual([server.id, 'v5', server.enr]);
      break;
    }
  });

  it('begins with a bootnode by its enode URL too', async () => {
    const boot = enodeOf(await v5Node());
    const server = await serving(V5, boot);
    const lookup = async () => '127.0.0.1';
    const named = [boot.replace('127.0.0.1', 'boot.test')];
    for (const versions of [V5, BOTH]) {
      for (const bootnodes of [[boot], named]) {
        const one = await searching({ ...versions, lookup }, { bootnodes });
        expect((await one.until(isKind('peer-connected'))).peer.id).toEqual(server.id);
      }
    }
  });

  it('dials those only whose records it accepts, and asks no others', async () => {
    const boot = await v5Node();
    const [right, wrong, none] = await Promise.all(
      [1, 2, undefined].map((hash) =>
        serving(hash === undefined ? V5 : { ...V5, recordEntries: forkEntries(hash) }, enrOf(boot)),
      ),
    );
    const searcher = await searching({ ...V5, accepts: acceptsFork(1) }, { bootnodes: [enrOf(boot)] });
    const { peer } = await searcher.until(isKind('peer-connected'));
    expect(peer.id).toEqual(right?.id);
    const ofOthers = () => [wrong, none].map((one) => searcher.log(one?.enode ?? '').map(({ kind }) => kind));
    await until(() => expect(ofOthers()).toEqual([['passed-over'], ['passed-over']]));
    for (const one of [wrong, none]) expect(one?.seen.map(({ kind }) => kind)).toEqual(['listening']);
  });

  it('does not dial a node that others name, and that answers nothing', async () => {
    const boot = await v5Node();
    const gone = await serving(V5, enrOf(boot));
    await until(() => expect(boot.table.isLive(nodeIdOf(gone.id))).toBe(true));
    await gone.close();
    const there = await serving(V5, enrOf(boot));
    const searcher = await searching(V5, { bootnodes: [enrOf(boot), gone.enr] });
    await searcher.until(isKind('peer-connected'));
    for await (const { publicKey } of searcher.discovery?.nodes() ?? []) {
      expect(publicKey).toEqual(there.id);
      break;
    }
    expect(searcher.seen.filter(isKind('dial-failed'))).toEqual([]);
  });

  it('has nothing to do with nodes that netDeny refuses', async () => {
    const boot = await v5Node();
    const [denied, other] = await Promise.all(
      ['127.0.0.2', '127.0.0.1'].map((host) =>
        startedServer({
          ...{ listen: { host, port: 0 }, bootnodes: [enrOf(boot)] },
          discovery: { ...V5, accepts: () => false },
        }),
      ),
    );
    await until(() => expect(boot.table.size).toBe(2));
    const searcher = await searching(V5, { bootnodes: [enrOf(boot)], netDeny: ['127.0.0.2/32'] });
    const { peer } = await searcher.until(isKind('peer-connected'));
    expect(peer.id).toEqual(other?.id);
    expect(searcher.discovery?.v5?.table.has(nodeIdOf(denied?.id ?? boot.publicKey))).toBe(false);
    expect(denied?.seen.map(({ kind }) => kind)).toEqual(['listening']);
  });

  it('finds peers from its database after a restart, without a bootnode', async () => {
    const database = await NodeDatabase.inMemory();
    onTestFinished(() => database.close());
    const boot = enrOf(await v5Node());
    const server = await serving(V5, boot);
    const first = await searching(V5, { bootnodes: [boot], nodeDatabase: database });
    await first.until(isKind('peer-connected'));
    const stored = async () => await database.get(nodeIdOf(server.id));
    await until(async () => expect((await stored())?.lastPong).toBeGreaterThan(0));
    expect(await stored()).toMatchObject({
      failures: 0,
      endpoint: { udpPort: parseEnode(server.enode).udpPort },
    });
    await first.close();
    const second = await searching(V5, { nodeDatabase: database });
    expect((await second.until(isKind('peer-connected'))).peer.id).toEqual(server.id);
  });

  it('learns its address from those who have answered its Pings', async () => {
    const server = await startedServer({ discovery: V5, listen: { host: '0.0.0.0', port: 0 } });
    expect(parseRecord(server.enr).get('ip')).toBeUndefined();
    const { tcpPort: tcp, udpPort: udp } = parseEnode(server.enode);
    // It sees who is there by their handshakes, and pings them.
    for (let i = 0; i < 3; i++) await (await v5Node()).ping(server.enode);
    const { enr } = await server.until(isKind('endpoint-changed'));
    expect(parseRecord(enr).entries()).toMatchObject({ ip: '127.0.0.1', tcp, udp });
  });
});

describe('a server with both versions of discovery', { timeout: PATIENCE_MS }, () => {
  it('speaks them on one port, and is found by either', async () => {
    const [boot4, boot5] = [await v4Node(), await v5Node()];
    const server = await serving(BOTH, enrOf(boot4), enrOf(boot5));
    const { udpPort } = parseEnode(server.enode);
    expect(parseRecord(server.enr).get('udp')).toBe(udpPort);
    expect((await (await v4Node()).ping(server.enr)).seenAs).toMatchObject({ ip: '127.0.0.1' });
    expect((await (await v5Node()).ping(server.enr)).seenAs).toMatchObject({ ip: '127.0.0.1' });
    const by4 = await searching({ v4: true, v5: false }, { bootnodes: [enodeOf(boot4)] });
    const by5 = await searching(V5, { bootnodes: [enrOf(boot5)] });
    for (const one of [by4, by5])
      expect((await one.until(isKind('peer-connected'))).peer.id).toEqual(server.id);
  });

  it('has both when it says nothing of them, and neither when v4 alone is named as off', async () => {
    const both = await startedServer({ discovery: true });
    await (await v5Node()).ping(both.enr);
    expect(both.discovery?.v5).toBeDefined();
    const neither = await startedServer({ discovery: { v4: false } });
    expect([neither.discovery?.v5, parseEnode(neither.enode).udpPort]).toEqual([undefined, 0]);
    expect(await rejectionOf(neither.discovery?.resolve(both.id) ?? Promise.resolve())).toBe('closed');
    expect(codeOf(() => new TestServer({ discovery: { v5: JSON.parse('1') } }))).toBe('invalid-argument');
  });

  it('moves both where the UDP port of a chosen TCP port is taken, and keeps to one that was asked for', async () => {
    const taken = await v5Node();
    const options = { discovery: BOTH, discoveryPort: taken.port };
    expect(await rejectionOf(new TestServer(options).start())).toBe('port-in-use');
    await taken.close();
    const server = await startedServer(options);
    expect(parseEnode(server.enode).udpPort).toBe(options.discoveryPort);
    await server.close();
    const again = await startedServer(options);
    expect(again.discovery?.v5?.port).toBe(options.discoveryPort);
  });

  it('has its endpoint in its record before it sends anything', async () => {
    const heard = new EventQueue<Message>();
    const socket = await bindUdp(LOOPBACK, {
      message: (bytes) => {
        const message = isPacket(bytes) ? decodeMessage(bytes) : undefined;
        if (message !== undefined) heard.push(message);
      },
      failed: () => undefined,
    });
    onTestFinished(() => socket.close());
    const publicKey = publicKeyOf(newKey());
    const enode = formatEnode({ publicKey, host: LOOPBACK.host, tcpPort: 0, udpPort: socket.port });
    const server = await serving(BOTH, enode);
    const first = await heard.next('the first Ping', ({ kind }) => kind === 'ping');
    expect(first).toMatchObject({ enrSeq: parseRecord(server.enr).seq });
  });

  it('tells each version of nodes that answer the other', async () => {
    const hub = await serving(BOTH);
    // By its enode URL a node is known to v4 alone, until it shows its record.
    const byV4 = await serving(BOTH, hub.enode);
    await until(() => expect(byV4.discovery?.v5?.table.isLive(nodeIdOf(hub.id))).toBe(true));
    await until(() => expect(hub.discovery?.v5?.table.isLive(nodeIdOf(byV4.id))).toBe(true));
    const far = await serving(V5, hub.enr);
    const near = await searching(BOTH, { bootnodes: [byV4.enode] });
    const met = () => near.peers.map(({ info }) => toBareHex(info.id)).sort();
    const all = [hub, byV4, far].map(({ id }) => toBareHex(id)).sort();
    await near.until(() => near.peers.length === all.length);
    expect(met()).toEqual(all);
  });

  it('holds it against no node that it speaks one version only', async () => {
    const database = await NodeDatabase.inMemory();
    onTestFinished(() => database.close());
    const [boot4, boot5] = [await v4Node(), await v5Node()];
    const bootnodes = [enrOf(boot4), enrOf(boot5)];
    const server = await searching(BOTH, { bootnodes, nodeDatabase: database });
    const { discovery } = server;
    await until(() => {
      expect(discovery?.table.isLive(boot5.id)).toBe(false);
      expect(discovery?.table.isLive(nodeIdOf(boot4.publicKey))).toBe(true);
      expect(discovery?.v5?.table.isLive(boot5.id)).toBe(true);
    });
    const silent = await rejectionOf(discovery?.v5?.ping(enrOf(boot4)) ?? Promise.resolve());
    const deaf = await rejectionOf(discovery?.ping(enrOf(boot5)) ?? Promise.resolve());
    expect([silent, deaf]).toEqual(['request-timeout', 'request-timeout']);
    for (const id of [nodeIdOf(boot4.publicKey), boot5.id]) {
      await until(async () => expect(await database.get(id)).toMatchObject({ lastPong: expect.any(Number) }));
      expect(await database.get(id)).toMatchObject({ failures: 0 });
    }
  });

  it('says of either version what it sends, and how many nodes it knows', async () => {
    const [boot4, boot5] = [await v4Node(), await v5Node()];
    const server = await serving(BOTH, enrOf(boot4), enrOf(boot5));
    await server.discovery?.ping(enrOf(boot4));
    await server.discovery?.v5?.ping(enrOf(boot5));
    const metrics = server.metrics();
    expect(metrics.discovery).toMatchObject({ tableLive: 1, proofs: expect.any(Number) });
    expect(metrics.discoveryV5).toMatchObject({ tableLive: 1, sessions: 1 });
    expect(metrics.discoveryV5?.received.pong).toBeGreaterThan(0);
    const families = readExposition((await expose(metrics, 'prometheus')).text, false);
    const live = families
      .get('peerlane_discovery_table_nodes')
      ?.samples.filter(({ labels }) => labels.state === 'live');
    expect(live?.map(({ labels: { version }, value }) => [version, value])).toEqual([
      ['v4', 1],
      ['v5', 1],
    ]);
    const names = (name: string) => families.get(name)?.samples.map(({ labels }) => labels);
    expect(names('peerlane_discovery_proofs')).toEqual([{ version: 'v4' }]);
    expect(names('peerlane_discovery_sessions')).toEqual([{ version: 'v5' }]);
  });

  it('keeps topics of others, and says so, unless it is told not to', async () => {
    const server = await serving(V5, enrOf(await v5Node({ topics: false })));
    const advertiser = await v5Node({ bootnodes: [server.enr] });
    const searcher = await v5Node({ topics: false, bootnodes: [server.enr] });
    expect(hasTopicDiscovery(parseRecord(server.enr))).toBe(true);
    const advertisement = advertiser.advertise('something');
    await advertisement.placed({ signal: AbortSignal.timeout(PATIENCE_MS) });
    expect(advertisement.stats().active).toBe(1);
    expect(server.discovery?.v5?.stats().topics?.ads).toBe(1);
    const told = readExposition((await expose(server.metrics(), 'prometheus')).text, false);
    const one = (name: string) => told.get(`peerlane_discovery_${name}`)?.samples.map(({ value }) => value);
    expect([one('topic_ads'), one('topics'), one('topic_runs')]).toEqual([[1], [1], [0, 0]]);
    const admitted = told
      .get('peerlane_discovery_topic_requests_total')
      ?.samples.find(({ labels }) => labels.result === 'admitted');
    expect(admitted).toMatchObject({ labels: { version: 'v5' }, value: 1 });
    const found: string[] = [];
    const another = await v5Node({ bootnodes: [server.enr] });
    await until(async () => {
      for await (const { id } of another.search('something')) found.push(toBareHex(id));
      expect(found).toContain(toBareHex(advertiser.id));
    });
    expect(() => searcher.search('something')).toThrow('topics are turned off');
    const silent = await serving({ ...V5, topics: false });
    expect(hasTopicDiscovery(parseRecord(silent.enr))).toBe(false);
    expect(silent.discovery?.v5?.stats().topics).toBeUndefined();
    expect(silent.metrics().discoveryV5).not.toHaveProperty('topics');
    expect(
      codeOf(() => new Server({ key: newKey(), protocols: [], discovery: { v5: false, topics: true } })),
    ).toBe('invalid-argument');
  });

  it('talks, and tells of a handler that fails', async () => {
    const [a, b] = [await serving(BOTH), await serving(BOTH)];
    b.discovery?.v5?.serveTalk('echo', (request) => request);
    b.discovery?.v5?.serveTalk('bad', () => {
      throw new Error('a bug');
    });
    const talk = async (protocol: string) => await a.discovery?.v5?.talk(b.enr, protocol, Uint8Array.of(7));
    expect(await talk('echo')).toEqual(Uint8Array.of(7));
    expect(await talk('bad')).toEqual(new Uint8Array());
    expect(await b.until(isKind('talk-failed'))).toMatchObject({
      protocol: 'bad',
      error: { message: 'a bug' },
    });
    await a.close();
    expect(await rejectionOf(a.discovery?.v5?.ping(b.enr) ?? Promise.resolve())).toBe('closed');
  });
});
