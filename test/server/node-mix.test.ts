import { describe, expect, it } from 'vitest';
import { toBareHex } from '../../src/base/bytes.ts';
import { PeerlaneError } from '../../src/base/errors.ts';
import { VirtualEnv } from '../../src/base/virtual-env.ts';
import { generateSecretKey, publicKeyOf } from '../../src/crypto/index.ts';
import { DnsClient, formatTreeUrl } from '../../src/dnsdisc/index.ts';
import { ROOT_INTERVAL_MS } from '../../src/dnsdisc/known-roots.ts';
import { nodeIdOf, signRecord } from '../../src/enr/index.ts';
import { NodeDatabase } from '../../src/server/node-db/index.ts';
import {
  type FoundNode,
  GIVEN_MS,
  MAX_CANDIDATES,
  type MixSource,
  NodeMix,
  type NodeSourceName,
  nodesOfMix,
  REFUSED_MS,
} from '../../src/server/node-mix.ts';
import { databaseSource, dnsSource, staticSource } from '../../src/server/node-sources.ts';
import { FakeDns, settled, tree, virtualEnv } from '../dnsdisc/trees.ts';
import { codeOf } from '../support/errors.ts';

/** Nodes are told apart by a number. */
function node(id: number, source: NodeSourceName = 'v4', tcpPort = 30303): FoundNode {
  const publicKey = new Uint8Array(64);
  new DataView(publicKey.buffer).setUint32(0, id);
  return { publicKey, host: '127.0.0.1', tcpPort, udpPort: 30303, record: undefined, source };
}
const idOf = ({ publicKey }: { publicKey: Uint8Array }) => new DataView(publicKey.buffer).getUint32(0);
const keyOf = (id: number) => toBareHex(node(id).publicKey);
/** What nodes that are no strangers have; whose it is does not matter here. */
const RECORD = signRecord(generateSecretKey(new VirtualEnv()), { seq: 1n });
/** Lets all promises go on. */
const settle = () => new Promise((resolve) => setImmediate(resolve));

type Pass = (signal: AbortSignal) => Iterable<FoundNode> | AsyncIterable<FoundNode>;

/** A source of passes; it counts how often it was asked for a node. */
function source(name: NodeSourceName, pass: Pass, more: Partial<MixSource> = {}) {
  const counts = { passes: 0, asked: 0 };
  const open = (signal: AbortSignal): AsyncIterator<FoundNode> => {
    counts.passes++;
    async function* nodes() {
      yield* pass(signal);
    }
    const iterator = nodes();
    return {
      next: () => {
        counts.asked++;
        return iterator.next();
      },
    };
  };
  return { counts, source: { name, open, ...more } satisfies MixSource };
}

interface MixingOptions {
  readonly demand?: number;
  readonly busy?: readonly number[];
  readonly check?: (node: FoundNode) => Promise<FoundNode | undefined>;
}

function mixing(
  sources: readonly MixSource[],
  { demand = 1, busy = [], check = async (found) => found }: MixingOptions = {},
) {
  const env = new VirtualEnv();
  const given: number[] = [];
  const nodes: FoundNode[] = [];
  const failures: (readonly [NodeSourceName, string, number])[] = [];
  const state = { demand };
  const left = new Set(busy.map(keyOf));
  const mix = new NodeMix({
    ...{ env, sources, check },
    demand: () => state.demand,
    give: (found) => {
      given.push(idOf(found));
      nodes.push(found);
      state.demand--;
    },
    leavesOut: (key) => left.has(key),
    failed: (name, { code }, ms) => failures.push([name, code, ms]),
  });
  const run = async (ms = 0) => {
    mix.wake();
    await settle();
    for (let at = 0; at < ms; at += 500) {
      env.advance(500);
      await settle();
    }
  };
  return { env, mix, given, nodes, failures, state, left, run };
}

/** As many nodes as are asked for, from `first` on. */
function* endless(first: number, name: NodeSourceName = 'v4') {
  for (let id = first; ; id++) yield node(id, name);
}
const never: Pass = async function* (signal) {
  await new Promise((_, reject) =>
    signal.addEventListener('abort', () => reject(new PeerlaneError('aborted', ''))),
  );
  yield node(0);
};

describe('the mix of nodes', () => {
  it('takes from each source in turn', async () => {
    const [a, b] = [source('v4', () => endless(100)), source('database', () => endless(200, 'database'))];
    const { given, run } = mixing([a.source, b.source], { demand: 6 });
    await run();
    expect(given.toSorted()).toEqual([100, 101, 102, 200, 201, 202]);
  });

  it('asks nobody while no node is wanted, and no further when there are enough', async () => {
    const a = source('v4', () => endless(1));
    const { given, state, run, env } = mixing([a.source], { demand: 0 });
    await run(60_000);
    expect(a.counts).toEqual({ passes: 0, asked: 0 });
    state.demand = 3;
    await run(60_000);
    expect(given).toHaveLength(3);
    expect(a.counts.asked).toBeLessThanOrEqual(3 + MAX_CANDIDATES);
    expect(env.timers).toBe(0);
  });

  it('gives a node once in a while, whichever source names it', async () => {
    const [a, b] = [source('v4', () => [node(1), node(2)]), source('database', () => [node(1), node(2)])];
    const { given, run } = mixing([a.source, b.source], { demand: 100 });
    await run(GIVEN_MS - 1_000);
    expect(given.toSorted()).toEqual([1, 2]);
    await run(12_000);
    expect(given.toSorted()).toEqual([1, 1, 2, 2]);
  });

  it('leaves out nodes that nobody wants, and those that take no connections', async () => {
    const a = source('v4', () => [node(1), node(2), node(3, 'v4', 0)]);
    const { given, run } = mixing([a.source], { demand: 100, busy: [1] });
    await run(5_000);
    expect(given).toEqual([2]);
  });

  it('gives no node that was connected while it waited', async () => {
    const a = source('v4', () => [node(1), node(2)]);
    const { given, state, left, run } = mixing([a.source], { demand: 1 });
    await run(2_000);
    left.add(keyOf(2));
    state.demand = 1;
    await run(5_000);
    expect(given).toEqual([1]);
  });

  it('has a source rest a second after a pass that was of use, and up to ten after those that were not', async () => {
    let isUseful = false;
    const starts: number[] = [];
    const { run, env, state } = mixing(
      [
        source('v4', () => {
          starts.push(env.now());
          return isUseful ? [node(starts.length)] : [];
        }).source,
      ],
      { demand: 100 },
    );
    const pauses = () => starts.slice(1).map((at, i) => at - (starts[i] ?? 0));
    await run(30_000);
    expect(pauses().slice(0, 6)).toEqual([1_000, 2_000, 4_000, 8_000, 10_000]);
    isUseful = true;
    state.demand = 100;
    starts.length = 0;
    await run(15_000);
    expect(pauses().slice(0, 3)).toEqual([1_000, 1_000, 1_000]);
  });

  it('goes through nodes that are always the same once in half an hour', async () => {
    const database = await NodeDatabase.inMemory();
    const publicKey = publicKeyOf(generateSecretKey(new VirtualEnv()));
    const endpoint = { publicKey, host: '127.0.0.1', tcpPort: 1, udpPort: 1 };
    database.update(nodeIdOf(publicKey), { endpoint, lastPong: Date.now() });
    const { nodes, run } = mixing([databaseSource(database), staticSource([{ ...endpoint, tcpPort: 2 }])], {
      demand: 100,
    });
    await run(29 * 60_000);
    expect(nodes).toHaveLength(1);
    await run(2 * 60_000);
    expect(nodes).toHaveLength(2);
    await database.close();
  });

  it('asks a node of which it has been refused no more for five minutes', async () => {
    let checks = 0;
    const check = async () => {
      checks++;
      return undefined;
    };
    const { given, run } = mixing([source('v4', () => [node(1)]).source], { check });
    await run(REFUSED_MS - 1_000);
    expect([given, checks]).toEqual([[], 1]);
    await run(12_000);
    expect([given, checks]).toEqual([[], 2]);
  });

  it('takes a node from another source that one has named where it is not', async () => {
    const check = async (found: FoundNode) => (found.source === 'v4' ? undefined : found);
    const sources = [source('v4', () => [node(1)]), source('database', () => [node(1, 'database')])];
    const { nodes, run } = mixing(
      sources.map((it) => it.source),
      { check },
    );
    await run(GIVEN_MS - 1_000);
    expect(nodes.map(({ source: from }) => from)).toEqual(['database']);
  });

  it('takes a node at another place than the one where it was not', async () => {
    const check = async (found: FoundNode) => (found.host === '127.0.0.2' ? undefined : found);
    const named = source('v4', () => [{ ...node(1), host: '127.0.0.2' }, node(1)]);
    const { nodes, run } = mixing([named.source], { check });
    await run(GIVEN_MS - 1_000);
    expect(nodes.map(({ host }) => host)).toEqual(['127.0.0.1']);
  });

  it('has a bounded number of nodes in hand, however many are found and however slow the checks are', async () => {
    const open: (() => void)[] = [];
    const check = (found: FoundNode) => new Promise<FoundNode>((resolve) => open.push(() => resolve(found)));
    const a = source('v4', () => endless(1));
    const { given, run } = mixing([a.source], { demand: 1, check });
    await run(60_000);
    expect(open.length).toBe(MAX_CANDIDATES);
    for (const let_ of open.splice(0)) let_();
    await run(60_000);
    expect(given).toEqual([1]);
    expect(open).toEqual([]);
    expect(a.counts.asked).toBeLessThanOrEqual(MAX_CANDIDATES + 1);
  });

  it('asks DNS at the start, and again when the others have given nothing for 30 s', async () => {
    const known = { nodes: [node(1)] };
    const a = source('v4', () => known.nodes);
    const dns = source('dns', () => endless(500, 'dns'), { isFallback: true });
    const check = async (found: FoundNode) => ({ ...found, record: RECORD });
    const { given, state, run, env } = mixing([a.source, dns.source], { demand: 2, check });
    await run();
    expect(given.toSorted()).toEqual([1, 500]);
    // Long after the start, v4 goes on to give nodes.
    await run(60_000);
    env.advance(60_000);
    const before = dns.counts.asked;
    known.nodes = [node(2), node(3)];
    state.demand = MAX_CANDIDATES + 3;
    await run(29_000);
    expect(given).toContain(3);
    const quietly = dns.counts.asked;
    expect(quietly).toBe(before);
    await run(15_000);
    expect(dns.counts.asked).toBeGreaterThan(before);
  });

  it('goes on to ask DNS while others give only nodes without a record, which may be made up', async () => {
    const a = source('v4', () => endless(1));
    const dns = source('dns', () => endless(1_000_000, 'dns'), { isFallback: true });
    const { state, run } = mixing([a.source, dns.source], { demand: 0 });
    const given = async (seconds: number) => {
      for (let at = 0; at < seconds; at++) {
        state.demand = 2;
        await run(1_000);
      }
    };
    await given(60);
    const before = dns.counts.asked;
    await given(60);
    expect(dns.counts.asked).toBeGreaterThan(before);
  });

  it('gives a node as the check has found it, which may know of a port where others did not', async () => {
    const check = async (found: FoundNode) => ({ ...found, record: RECORD, tcpPort: 30_304 });
    const { nodes, run } = mixing([source('v4', () => [node(1, 'v4', 0)]).source], { check });
    await run();
    expect(nodes).toEqual([{ ...node(1), record: RECORD, tcpPort: 30_304 }]);
  });

  it('does not let DNS wait when nobody wants nodes any more', async () => {
    let isEnded = false;
    const dns = source(
      'dns',
      (signal) => {
        signal.addEventListener('abort', () => {
          isEnded = true;
        });
        return never(signal);
      },
      { isFallback: true },
    );
    const { mix, state, failures, run } = mixing([dns.source]);
    await run(1_000);
    state.demand = 0;
    mix.wake();
    await settle();
    expect([isEnded, failures]).toEqual([true, []]);
  });

  it('goes on without a source that fails, which is tried again later and later', async () => {
    const bad = source('dns', () => {
      throw new PeerlaneError('invalid-tree', 'broken');
    });
    let id = 0;
    const good = source('v4', () => [node(++id)]);
    const { given, failures, run } = mixing([bad.source, good.source], { demand: 1000 });
    await run(8_000);
    expect(failures).toEqual([
      ['dns', 'invalid-tree', 1_000],
      ['dns', 'invalid-tree', 2_000],
      ['dns', 'invalid-tree', 4_000],
      ['dns', 'invalid-tree', 8_000],
    ]);
    expect(given.length).toBeGreaterThan(5);
  });

  it('goes on with the others when a source cannot be asked, or gives what is no node', async () => {
    const good = source('v4', () => [node(1)]).source;
    const open = (): never => {
      throw new TypeError('a bug of a source');
    };
    const wrong = source('dns', () => [null, 5, {}, { publicKey: 5 }] as never[]).source;
    const { given, failures, run } = mixing([{ name: 'static', open }, wrong, good], { demand: 2 });
    await run();
    expect(given).toEqual([1]);
    expect(failures.map(([name]) => name).toSorted()).toEqual(['dns', 'static']);
  });

  it.each([undefined, null, 5, {}, { sources: null }])('is not made of %o', (options) => {
    expect(codeOf(() => new NodeMix(options as never))).toBe('invalid-argument');
  });

  it('goes on when a check fails', async () => {
    const check = async (found: FoundNode) => {
      if (idOf(found) === 1) throw new TypeError('no');
      return found;
    };
    const { given, failures, run } = mixing([source('v4', () => [node(1), node(2)]).source], { check });
    await run();
    expect(given).toEqual([2]);
    expect(failures).toEqual([['v4', 'internal', 0]]);
  });

  describe('of which most are of other forks', () => {
    /** From this one on nodes are of our fork. */
    const OURS = 1_000_000;
    /** What asking a node for its record takes, a bit more for each other one: their ends do not coincide. */
    const CHECK_MS = 500;
    const checkMs = (n: number) => CHECK_MS + ((37 * n) % 500);

    /** Foreign ones are refused once they have been asked. */
    function refusing(sources: readonly MixSource[], demand: number) {
      const open = { begun: 0, count: 0, most: 0, refused: 0 };
      const check = (found: FoundNode) =>
        new Promise<FoundNode | undefined>((resolve) => {
          open.count++;
          open.most = Math.max(open.most, open.count);
          mixed.env.setTimer(checkMs(open.begun++), () => {
            open.count--;
            if (idOf(found) < OURS) open.refused++;
            resolve(idOf(found) < OURS ? undefined : { ...found, record: RECORD });
          });
        });
      const mixed = mixing(sources, { demand, check });
      return { ...mixed, open };
    }

    it('gives what another source has, in its turn, while one offers more than can be looked at', async () => {
      const foreign = source('v4', () => endless(1));
      const ours = source('database', () => endless(OURS, 'database'));
      const { given, run, env, open } = refusing([foreign.source, ours.source], 100);
      await run();
      // One place is free at a time.
      for (let ms = 0; ms < 5_000; ms += 5) {
        env.advance(5);
        await settle();
      }
      expect(open.most).toBe(MAX_CANDIDATES);
      // Half of all that was looked at: each source has its turn.
      expect(open.refused).toBeGreaterThan(2 * MAX_CANDIDATES);
      expect(Math.abs(given.length - open.refused)).toBeLessThanOrEqual(MAX_CANDIDATES);
    });

    it('gives the few of ours among thousands of the same source, no later than in their turn', async () => {
      const SHARE = 100;
      function* mostlyForeign() {
        for (let id = 1; ; id++) yield node(id % SHARE === 0 ? OURS + id : id);
      }
      const { given, run, open } = refusing([source('v4', mostlyForeign).source], 1_000);
      const seconds = 200;
      await run(seconds * 1_000);
      const looked = open.refused + given.length;
      // All places are used all the time.
      expect(looked).toBeGreaterThan((MAX_CANDIDATES * seconds * 1_000) / (2 * CHECK_MS + 500));
      expect(given).toEqual(
        Array.from({ length: Math.floor(looked / SHARE) }, (_, i) => OURS + SHARE * (i + 1)),
      );
    });

    it('asks DNS, since nodes of other forks are none', async () => {
      const foreign = source('v4', () => endless(1));
      const dns = source('dns', () => [node(OURS, 'dns'), node(OURS + 1, 'dns')], { isFallback: true });
      const { given, run, state } = refusing([foreign.source, dns.source], 0);
      // DNS has been asked at the start, and what it gave is not wanted again so soon.
      state.demand = 2;
      await run(5_000);
      expect(given.toSorted()).toEqual([OURS, OURS + 1]);
      await run(GIVEN_MS);
      state.demand = 2;
      await run(60_000);
      expect(given).toHaveLength(4);
    });

    it('looks at a foreign one again only after a while, and holds no more than it may', async () => {
      const foreign = source('v4', () => Array.from({ length: 50 }, (_, i) => node(1 + i)));
      const { given, run, open } = refusing([foreign.source], 10);
      await run(REFUSED_MS - 10_000);
      expect([given, open.refused]).toEqual([[], 50]);
    });
  });

  it('ends all waits when it is closed', async () => {
    const a = source('v4', never);
    const { mix, env, failures, run } = mixing([a.source]);
    await run();
    mix.close();
    await run(10_000);
    expect([env.timers, failures, a.counts.passes]).toEqual([0, [], 1]);
  });
});

it('a mix that is closed ends the passes that stand at a node', async () => {
  let isEnded = false;
  async function* nodes(): AsyncGenerator<FoundNode, void, undefined> {
    try {
      for (let id = 1; ; id++) yield node(id);
    } finally {
      isEnded = true;
    }
  }
  const { mix, run } = mixing([{ name: 'v4', open: nodes }]);
  await run();
  mix.close();
  await settle();
  expect(isEnded).toBe(true);
});

describe('the nodes of a mix, one by one', () => {
  it('come of one pass over a list in DNS, however often there are enough', async () => {
    const env = virtualEnv();
    const dns = new FakeDns(env, tree({ count: 60 }));
    const client = new DnsClient({ resolver: dns, env });
    const sources = [dnsSource(client, [formatTreeUrl(tree().url)])];
    const abort = new AbortController();
    const nodes = nodesOfMix(
      { env, sources, leavesOut: () => false, check: async (found) => found, failed: () => undefined },
      abort.signal,
    );
    const given = new Set<string>();
    for (let i = 0; i < 30; i++) {
      const { value } = await settled(env, nodes.next());
      if (value !== undefined) given.add(String(value.record));
      // Nobody wants another for a while, and nothing is looked up.
      const { length } = dns.asked;
      env.advance(10_000);
      await settle();
      expect(dns.asked.length).toBe(length);
    }
    expect(given.size).toBe(30);
    const roots = () => dns.names.filter((name) => name === 'nodes.test').length;
    // No more than half an hour has gone by.
    expect(roots()).toBe(1);
    env.advance(ROOT_INTERVAL_MS);
    await settled(env, nodes.next());
    expect(roots()).toBe(2);
    await nodes.return();
    expect(env.timers).toBe(0);
  });
});
