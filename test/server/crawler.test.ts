import { describe, expect, it } from 'vitest';
import { toBareHex } from '../../src/base/bytes.ts';
import { PeerlaneError } from '../../src/base/errors.ts';
import { sleep } from '../../src/base/sleep.ts';
import { VirtualEnv } from '../../src/base/virtual-env.ts';
import { publicKeyOf } from '../../src/crypto/index.ts';
import { NodeRecord, signRecord } from '../../src/enr/index.ts';
import { type KadNode, kadNode, nodeOfRecord } from '../../src/kad/index.ts';
import type { CrawlerOptions, CrawlService } from '../../src/server/crawl-options.ts';
import { Crawler } from '../../src/server/crawler.ts';
import { type NodeSet, nodeSetKey } from '../../src/server/node-set.ts';

const HOUR_MS = 60 * 60_000;

interface FakeNode {
  readonly key: Uint8Array;
  readonly port: number;
  seq: bigint;
  isUp: boolean;
  hasRecord: boolean;
  /** It sends one that is none. */
  isRecordInvalid?: boolean;
}

/** A network that answers as the test wants it to. */
class FakeNetwork implements CrawlService {
  readonly env = new VirtualEnv({ seed: 7 });
  readonly publicKey = publicKeyOf(new Uint8Array(32).fill(99));
  readonly nodes: FakeNode[];
  /** Ports that were asked, in order, with the time. */
  readonly asked: { port: number; at: number }[] = [];
  #next = 0;

  constructor(count: number) {
    this.nodes = Array.from({ length: count }, (_, i) => ({
      key: new Uint8Array(32).fill(i + 1),
      ...{ port: 1_000 + i, seq: 1n, isUp: true, hasRecord: true },
    }));
  }

  async *random({ signal }: { readonly signal: AbortSignal }): AsyncGenerator<KadNode, void, undefined> {
    for (;;) {
      await this.#sleep(50, signal);
      const node = this.nodes[this.#next++ % this.nodes.length];
      if (node !== undefined) yield placeOf(node);
    }
  }

  async requestRecord(place: KadNode, { signal }: { readonly signal: AbortSignal }): Promise<NodeRecord> {
    this.asked.push({ port: place.udpPort, at: this.env.now() });
    const node = this.nodes.find(({ port }) => port === place.udpPort);
    await this.#sleep(node?.isUp ? 20 : 1_000, signal);
    if (node === undefined || !node.isUp || !node.hasRecord) throw silent();
    if (node.isRecordInvalid === true) throw new PeerlaneError('invalid-record', 'a record of another node');
    return recordOf(node);
  }

  async ping(place: KadNode, { signal }: { readonly signal: AbortSignal }): Promise<void> {
    await this.#sleep(20, signal);
    if (this.nodes.find(({ port }) => port === place.udpPort)?.isUp !== true) throw silent();
  }

  async run<T>(done: Promise<T>): Promise<T> {
    let isDone = false;
    void done.then(
      () => {
        isDone = true;
      },
      () => {
        isDone = true;
      },
    );
    while (!isDone) {
      this.env.advance(10);
      await new Promise((resolve) => setImmediate(resolve));
    }
    return await done;
  }

  #sleep(ms: number, signal: AbortSignal): Promise<void> {
    return sleep(this.env, ms, signal);
  }
}

async function* noNodes(): AsyncGenerator<never, void, undefined> {
  // Nobody is met.
}

function silent(): PeerlaneError {
  return new PeerlaneError('request-timeout', 'no answer');
}

function recordOf({ key, port, seq }: FakeNode): NodeRecord {
  return signRecord(key, { seq, entries: { ip: '127.0.0.1', udp: port, tcp: port } });
}

function placeOf({ key, port }: FakeNode): KadNode {
  return kadNode({ publicKey: publicKeyOf(key), ip: '127.0.0.1', udpPort: port, tcpPort: port });
}

function keyOf(node: FakeNode): string {
  return toBareHex(placeOf(node).id);
}

/** All were checked once, long ago. */
function setOf(nodes: readonly FakeNode[]): NodeSet {
  const times = { firstResponse: 1, lastResponse: 1, lastCheck: 1 };
  return new Map(nodes.map((node) => [keyOf(node), { node: recordOf(node), score: 1, ...times }]));
}

function crawl(network: FakeNetwork, set: NodeSet, options: Partial<CrawlerOptions> = {}) {
  const crawler = new Crawler({
    service: network,
    set,
    env: network.env,
    rate: 1_000,
    idleMs: 5_000,
    ...options,
  });
  return network.run(crawler.run());
}

describe('a crawl', () => {
  it('finds all nodes of a network, and ends when nothing new comes', async () => {
    const network = new FakeNetwork(30);
    const set: NodeSet = new Map();
    const stats = await crawl(network, set);
    expect(stats).toMatchObject({ nodes: 30, added: 30, removed: 0 });
    for (const node of network.nodes) {
      const entry = set.get(keyOf(node));
      expect(entry?.score).toBe(1);
      expect(entry?.node).toBeInstanceOf(NodeRecord);
      expect(entry?.firstResponse).toBe(entry?.lastResponse);
    }
  });

  it('checks each node once in the time that is to lie between', async () => {
    const network = new FakeNetwork(12);
    await crawl(network, new Map());
    const ports = network.asked.map(({ port }) => port);
    expect(new Set(ports).size).toBe(ports.length);
  });

  it('keeps to its rate', async () => {
    const network = new FakeNetwork(20);
    const nodes = network.nodes.map(placeOf);
    await crawl(network, new Map(), { nodes, rate: 5 });
    const times = network.asked.map(({ at }) => at);
    const gaps = times.slice(1).map((at, i) => at - (times[i] ?? 0));
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(190);
  });

  it('goes on with a set: more points for who answers, half for who does not, and none left is the end', async () => {
    const network = new FakeNetwork(4);
    const set: NodeSet = new Map();
    for (const [i, node] of network.nodes.entries()) {
      const times = { firstResponse: 1, lastResponse: 1, lastCheck: 1 };
      set.set(keyOf(node), { node: recordOf(node), score: [5, 4, 1, 5][i] ?? 0, ...times });
    }
    network.env.advance(HOUR_MS);
    const [renewed, halved, gone, same] = network.nodes;
    if (renewed) renewed.seq = 9n;
    for (const node of [halved, gone]) if (node) node.isUp = false;
    const stats = await crawl(network, set);
    const entryOf = (node: FakeNode | undefined) => set.get(node === undefined ? '' : keyOf(node));
    expect(entryOf(renewed)).toMatchObject({ score: 6, firstResponse: 1, node: { seq: 9n } });
    expect(entryOf(halved)).toMatchObject({ score: 2, lastResponse: 1 });
    expect(entryOf(gone)).toBeUndefined();
    expect(entryOf(same)).toMatchObject({ score: 6, node: { seq: 1n } });
    expect(stats).toMatchObject({ nodes: 3, added: 0, removed: 1 });
  });

  it('begins with the nodes that were not checked for the longest time', async () => {
    const network = new FakeNetwork(3);
    const set: NodeSet = new Map();
    for (const [i, node] of network.nodes.entries()) {
      const times = { firstResponse: 1, lastResponse: 1, lastCheck: [30, 10, 20][i] };
      set.set(keyOf(node), { node: recordOf(node), score: 1, ...times });
    }
    network.env.advance(HOUR_MS);
    await crawl(network, set);
    expect(network.asked.slice(0, 3).map(({ port }) => port)).toEqual([1_001, 1_002, 1_000]);
  });

  it('keeps a node without a record by its address, and never gives up a record', async () => {
    const network = new FakeNetwork(2);
    const [bare, known] = network.nodes;
    if (bare === undefined || known === undefined) throw new Error('two nodes');
    bare.hasRecord = false;
    known.hasRecord = false;
    const record = recordOf(known);
    const set: NodeSet = new Map([
      [keyOf(known), { node: record, score: 1, firstResponse: 1, lastResponse: 1, lastCheck: 1 }],
    ]);
    network.env.advance(HOUR_MS);
    await crawl(network, set);
    expect(set.get(keyOf(bare))?.node).toMatchObject({ host: '127.0.0.1', udpPort: bare.port });
    expect(set.get(keyOf(known))).toMatchObject({ score: 2, node: record });
  });

  it('keeps the newest record that it has seen of a node', async () => {
    const network = new FakeNetwork(2);
    const [older, newer] = network.nodes;
    if (older === undefined || newer === undefined) throw new Error('two nodes');
    const before = [older, newer].map((node) => ({ ...node, seq: 5n }));
    const set = setOf(before);
    newer.seq = 6n;
    network.env.advance(HOUR_MS);
    await crawl(network, set);
    const seqs = network.nodes.map((node) => {
      const entry = set.get(keyOf(node));
      return [entry?.score, entry?.node instanceof NodeRecord && entry.node.seq];
    });
    expect(seqs).toEqual([
      [2, 5n],
      [2, 6n],
    ]);
  });

  it('takes a node that sends a record which is none for one without a record, and goes on', async () => {
    const network = new FakeNetwork(3);
    const [bare, known] = network.nodes;
    if (bare === undefined || known === undefined) throw new Error('two nodes');
    const set = setOf([known]);
    const record = recordOf(known);
    network.env.advance(HOUR_MS);
    for (const node of [bare, known]) node.isRecordInvalid = true;
    let pings = 0;
    network.ping = async () => void pings++;
    const stats = await crawl(network, set);
    expect(stats).toMatchObject({ nodes: 3, added: 2, removed: 0 });
    expect(set.get(keyOf(bare))).toMatchObject({ score: 1, node: { host: '127.0.0.1', udpPort: bare.port } });
    expect(set.get(keyOf(known))).toMatchObject({ score: 2, node: record });
    // That they are there, they have shown.
    expect(pings).toBe(0);
  });

  it('asks a known node where it has answered before it believes that it has moved', async () => {
    const network = new FakeNetwork(1);
    const [node] = network.nodes;
    if (node === undefined) throw new Error('one node');
    const set: NodeSet = new Map([
      [keyOf(node), { node: recordOf(node), score: 8, firstResponse: 1, lastResponse: 1, lastCheck: 1 }],
    ]);
    network.env.advance(HOUR_MS);
    const liar: CrawlService = {
      publicKey: network.publicKey,
      random: async function* () {
        for (;;) {
          yield kadNode({ publicKey: publicKeyOf(node.key), ip: '127.0.0.9', udpPort: 9, tcpPort: 9 });
          await new Promise<void>((resolve) => network.env.setTimer(100, resolve));
        }
      },
      requestRecord: (place, options) => network.requestRecord(place, options),
      ping: (place, options) => network.ping(place, options),
    };
    await crawl(network, set, { service: liar });
    expect(set.get(keyOf(node))).toMatchObject({ score: 9 });
    expect(network.asked.map(({ port }) => port)).toEqual([node.port]);
  });

  it('takes nothing from anybody while nobody at all answers', async () => {
    const network = new FakeNetwork(3);
    for (const node of network.nodes) node.isUp = false;
    const set = setOf(network.nodes);
    network.env.advance(HOUR_MS);
    const stats = await crawl(network, set);
    expect(stats).toMatchObject({ nodes: 3, removed: 0, answered: 0 });
    expect(stats.checked).toBeGreaterThanOrEqual(3);
  });

  it('takes nothing from a node that is not asked, as others have named its address in vain', async () => {
    const network = new FakeNetwork(2);
    const [withheld] = network.nodes;
    if (withheld === undefined) throw new Error('two nodes');
    const set = setOf(network.nodes);
    network.env.advance(HOUR_MS);
    const named: boolean[] = [];
    const service: CrawlService = {
      publicKey: network.publicKey,
      random: (options) => network.random(options),
      requestRecord: async (place, options) => {
        if (place.udpPort !== withheld.port) throw silent();
        return await network.requestRecord(place, options);
      },
      ping: async (place, options) => {
        named.push(options.named);
        if (place.udpPort === withheld.port) throw new PeerlaneError('request-withheld', 'not sent');
        await network.ping(place, options);
      },
    };
    withheld.hasRecord = false;
    const stats = await crawl(network, set, { service });
    expect(stats).toMatchObject({ nodes: 2, removed: 0 });
    expect(set.get(keyOf(withheld))).toMatchObject({ score: 1, lastCheck: 1 });
    expect(new Set(named)).toEqual(new Set([true]));
  });

  it('does not ask itself', async () => {
    const network = new FakeNetwork(2);
    const own = signRecord(new Uint8Array(32).fill(99), { seq: 1n, entries: { ip: '127.0.0.1', udp: 9 } });
    const set: NodeSet = new Map([
      [nodeSetKey(own), { node: own, score: 4, firstResponse: 1, lastResponse: 1, lastCheck: 1 }],
    ]);
    network.env.advance(HOUR_MS);
    const stats = await crawl(network, set);
    expect(stats).toMatchObject({ nodes: 3, added: 2 });
    expect(set.get(nodeSetKey(own))?.score).toBe(4);
    expect(network.asked.map(({ port }) => port)).not.toContain(9);
  });

  it('waits for whom it has asked, though nothing new comes', async () => {
    const network = new FakeNetwork(60);
    for (const node of network.nodes.slice(1)) node.isUp = false;
    const nodes = network.nodes.map(placeOf);
    const stats = await crawl(network, new Map(), { nodes, idleMs: 500 });
    expect(stats.checked).toBe(60);
  });

  it('ends though somebody names nodes without an end that are not there', async () => {
    const network = new FakeNetwork(10);
    const { env } = network;
    const attacked: CrawlService = {
      publicKey: network.publicKey,
      random: async function* ({ signal }) {
        const honest = network.random({ signal });
        for (;;) {
          for (let i = 0; i < 20; i++) {
            await new Promise<void>((resolve) => env.setTimer(2, resolve));
            const publicKey = env.randomBytes(64);
            yield kadNode({ publicKey, ip: '127.0.0.9', udpPort: 9, tcpPort: 9 });
          }
          const { value } = await honest.next();
          if (value !== undefined) yield value;
        }
      },
      requestRecord: (place, options) => network.requestRecord(place, options),
      ping: (place, options) => network.ping(place, options),
    };
    const set: NodeSet = new Map();
    const crawler = new Crawler({ service: attacked, set, env, rate: 1_000, idleMs: 20_000 });
    const stats = await network.run(crawler.run());
    expect(stats).toMatchObject({ nodes: 10, added: 10 });
    expect(stats.checked).toBeGreaterThan(100);
    // None of them waits for its turn: another one is asked for when there is a worker for it.
    expect(stats.waiting).toBe(0);
  });

  it('looks for others when it has gone through its set, however long that took', async () => {
    const network = new FakeNetwork(12);
    const set = setOf(network.nodes.slice(0, 10));
    network.env.advance(HOUR_MS);
    const stats = await crawl(network, set, { rate: 2, idleMs: 1_500 });
    expect(stats).toMatchObject({ nodes: 12, added: 2 });
  });

  it.each(['dial-failed', 'request-overload'] as const)(
    'takes nothing from whom it could not ask: %s',
    async (code) => {
      const network = new FakeNetwork(3);
      const set = setOf(network.nodes);
      network.env.advance(HOUR_MS);
      const fail = ({ udpPort }: KadNode): void => {
        if (udpPort === 1_001) throw new PeerlaneError(code, 'not now');
      };
      const service: CrawlService = {
        publicKey: network.publicKey,
        random: (options) => network.random(options),
        requestRecord: async (place, options) => {
          fail(place);
          return await network.requestRecord(place, options);
        },
        ping: (place, options) => network.ping(place, options),
      };
      const stats = await crawl(network, set, { service });
      expect([...set.values()].map(({ score }) => score)).toEqual([2, 1, 2]);
      expect(stats).toMatchObject({ checked: 2, answered: 2 });
    },
  );

  it('leaves alone whom it cannot reach', async () => {
    const network = new FakeNetwork(3);
    const set = setOf(network.nodes);
    network.env.advance(HOUR_MS);
    const reaches = ({ udpPort }: KadNode) => udpPort !== 1_001;
    const service: CrawlService = {
      publicKey: network.publicKey,
      random: async function* ({ signal }) {
        for await (const node of network.random({ signal })) if (reaches(node)) yield node;
      },
      requestRecord: (place, options) => network.requestRecord(place, options),
      ping: (place, options) => network.ping(place, options),
    };
    await crawl(network, set, { service, reaches });
    expect([...set.values()].map(({ score }) => score)).toEqual([2, 1, 2]);
  });

  it('asks nodes of both families where the service reaches them, and leaves the others alone', async () => {
    const network = new FakeNetwork(4);
    network.env.advance(HOUR_MS);
    const [first, second, third, fourth] = network.nodes;
    if (!first || !second || !third || !fourth) throw new Error('there are four');
    const far = { ip6: '2606:4700::1', udp6: 7 };
    const both = ({ key, port }: FakeNode) =>
      signRecord(key, { seq: 1n, entries: { ...far, ip: '127.0.0.1', udp: port } });
    const only = ({ key }: FakeNode) => signRecord(key, { seq: 1n, entries: far });
    const place = (record: NodeRecord): KadNode => {
      const node = nodeOfRecord(record);
      if (node?.ip !== far.ip6) throw new Error('IPv6 comes first');
      return node;
    };
    const set = setOf([first, second]);
    for (const [node, record] of [
      [first, both(first)],
      [second, only(second)],
    ] as const) {
      const entry = set.get(keyOf(node));
      if (entry !== undefined) set.set(keyOf(node), { ...entry, node: record });
    }
    const service: CrawlService = {
      publicKey: network.publicKey,
      random: noNodes,
      requestRecord: (node, options) => network.requestRecord(node, options),
      ping: (node, options) => network.ping(node, options),
      reaches: ({ ip }) => ip === '127.0.0.1',
    };
    await crawl(network, set, { service, nodes: [place(both(third)), place(only(fourth))] });
    expect(network.asked.map(({ port }) => port).toSorted()).toEqual([first.port, third.port]);
    expect(set.get(keyOf(second))?.score).toBe(1);
  });

  it('takes no more nodes than it may', async () => {
    const network = new FakeNetwork(20);
    const stats = await crawl(network, new Map(), { limit: 5 });
    expect(stats.nodes).toBe(5);
  });

  it('checks a node that was checked in the future, as a wrong clock says', async () => {
    const network = new FakeNetwork(2);
    const set = setOf(network.nodes.slice(0, 1));
    for (const [key, entry] of set) set.set(key, { ...entry, lastCheck: Date.UTC(9999, 0) });
    const { answered } = await crawl(network, set);
    expect(answered).toBe(2);
    expect([...set.values()].every(({ lastCheck = 0 }) => lastCheck <= network.env.unixTime())).toBe(true);
  });

  describe('whose set is full', () => {
    const nodeAt = (number: number, ip: string): KadNode => {
      const key = new Uint8Array(32).fill(1);
      new DataView(key.buffer).setUint32(0, number + 1);
      const node = nodeOfRecord(signRecord(key, { seq: 1n, entries: { ip, udp: 30_303 } }));
      if (node === undefined) throw new Error('no node');
      return node;
    };

    async function crawled(limit: number, order: readonly KadNode[]): Promise<Map<string, number>> {
      const network = new FakeNetwork(1);
      const byKey = new Map(order.map((node) => [toBareHex(node.id), node]));
      const service: CrawlService = {
        publicKey: network.publicKey,
        async *random({ signal }) {
          yield* order;
          await sleep(network.env, HOUR_MS, signal);
        },
        requestRecord: async ({ id }) => {
          const record = byKey.get(toBareHex(id))?.record;
          if (record === undefined) throw silent();
          return record;
        },
        ping: async () => undefined,
      };
      const set: NodeSet = new Map();
      await crawl(network, set, { service, limit });
      expect(set.size).toBe(limit);
      const counts = new Map<string, number>();
      for (const key of set.keys()) {
        const ip = byKey.get(key)?.ip ?? '';
        counts.set(ip, (counts.get(ip) ?? 0) + 1);
      }
      return counts;
    }

    it('leaves, of one that begins with more than it may have, the best, with fair shares of their networks', async () => {
      const network = new FakeNetwork(1);
      const service: CrawlService = {
        publicKey: network.publicKey,
        async *random({ signal }) {
          yield* [];
          await sleep(network.env, HOUR_MS, signal);
        },
        requestRecord: async ({ record }) => {
          if (record === undefined) throw silent();
          return record;
        },
        ping: async () => undefined,
      };
      const hosts = ['20.0.0.1', '20.0.0.1', '20.0.0.1', '20.0.1.1', '20.1.0.1', '127.0.0.1'];
      const nodes = hosts.map((host, i) => nodeAt(i, host));
      const set: NodeSet = new Map();
      const unchecked = { firstResponse: undefined, lastResponse: undefined, lastCheck: undefined };
      for (const [i, { id, record }] of nodes.entries()) {
        if (record !== undefined) set.set(toBareHex(id), { ...unchecked, node: record, score: 10 + i });
      }
      const stats = await crawl(network, set, { service, limit: 4 });
      const left = nodes.flatMap(({ id }, i) => (set.has(toBareHex(id)) ? [i] : []));
      expect(left).toEqual([2, 3, 4, 5]);
      expect(stats).toMatchObject({ nodes: 4, checked: 4, answered: 4, added: 0, removed: 2 });
    });

    const one = Array.from({ length: 60 }, (_, i) => nodeAt(i, '20.0.0.1'));

    it('gives nodes of other networks the places of those of the network that holds the most', async () => {
      const others = Array.from({ length: 20 }, (_, i) => nodeAt(100 + i, `20.${i + 1}.0.1`));
      for (const order of [
        [...one, ...others],
        [...others, ...one],
      ]) {
        const counts = await crawled(50, order);
        expect(others.filter(({ ip }) => counts.get(ip) === 1)).toHaveLength(20);
        expect(counts.get('20.0.0.1')).toBe(30);
      }
    });

    it('counts the networks of a block together, and in a block its networks', async () => {
      const block = Array.from({ length: 60 }, (_, i) => nodeAt(200 + i, `20.7.${i}.1`));
      const counts = await crawled(40, [...one, ...block]);
      expect(counts.get('20.0.0.1')).toBe(20);
      const within = await crawled(40, [...one, ...block.map((_, i) => nodeAt(300 + i, `20.0.${i + 1}.1`))]);
      expect(within.get('20.0.0.1')).toBeLessThanOrEqual(2);
    });

    it('does so neither to nor for nodes of this machine and its LAN', async () => {
      const local = Array.from({ length: 30 }, (_, i) => nodeAt(400 + i, `192.168.0.${i + 1}`));
      expect((await crawled(30, [...local, ...one])).has('20.0.0.1')).toBe(false);
      expect((await crawled(30, [...one, ...local])).get('20.0.0.1')).toBe(30);
    });
  });

  it('ends at once when it is told to, with what it has', async () => {
    const network = new FakeNetwork(10);
    const stop = new AbortController();
    const set: NodeSet = new Map();
    const crawler = new Crawler({
      ...{ service: network, set, env: network.env, rate: 1_000 },
      onAnswer: () => {
        if (set.size === 3) stop.abort();
      },
    });
    const stats = await network.run(crawler.run(stop.signal));
    expect(stats.nodes).toBe(3);
    await expect(crawler.run()).rejects.toMatchObject({ code: 'closed' });
  });

  it('fails as its service does', async () => {
    const network = new FakeNetwork(3);
    const closed = new PeerlaneError('closed', 'discovery is not running');
    const service: CrawlService = {
      publicKey: network.publicKey,
      random: (options) => network.random(options),
      requestRecord: () => Promise.reject(closed),
      ping: () => Promise.reject(closed),
    };
    await expect(crawl(network, new Map(), { service })).rejects.toBe(closed);
  });

  it.each([
    ...[{ rate: 0 }, { limit: -1 }, { idleMs: Number.NaN }, { recheckMs: Number.POSITIVE_INFINITY }],
    // A timer of Node.js that is longer is over at once.
    ...[
      { reaches: 5 as never },
      { idleMs: 1e12 },
      { recheckMs: 2 ** 31 },
      { rate: 1e-9 },
      { rate: 1e12 },
      { limit: 1e12 },
    ],
  ])('is not made with %o', (options) => {
    const network = new FakeNetwork(1);
    const make = () => new Crawler({ service: network, set: new Map(), ...options });
    expect(make).toThrow(expect.objectContaining({ code: 'invalid-argument' }));
  });

  it('knows a place only of records that name one', () => {
    const record = signRecord(new Uint8Array(32).fill(5), { seq: 1n, entries: { tcp: 30_303 } });
    expect(nodeOfRecord(record)).toBeUndefined();
  });
});
