import fc from 'fast-check';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { PeerlaneError } from '../../src/base/errors.ts';
import type { VirtualEnv } from '../../src/base/virtual-env.ts';
import { Absences, MAX_ABSENT } from '../../src/dnsdisc/absences.ts';
import { hashOf } from '../../src/dnsdisc/entry.ts';
import { MAX_LINK_DEPTH, MAX_TREES } from '../../src/dnsdisc/forest.ts';
import {
  DnsClient,
  type DnsClientOptions,
  formatTreeUrl,
  formatZone,
  type Tree,
  treeTexts,
} from '../../src/dnsdisc/index.ts';
import { ROOT_INTERVAL_MS } from '../../src/dnsdisc/known-roots.ts';
import { LONGEST_PAUSE_MS } from '../../src/dnsdisc/pauses.ts';
import { formatRoot, signRoot } from '../../src/dnsdisc/root.ts';
import { MAX_SYNC_FAILURES, SYNC_ATTEMPTS } from '../../src/dnsdisc/sync.ts';
import type { NodeRecord } from '../../src/enr/index.ts';
import { DnsResolver } from '../../src/io/dns.ts';
import { DnsServer } from '../support/dns-server.ts';
import { codeOf, rejectionOf } from '../support/errors.ts';
import { runs } from '../support/runs.ts';
import { uncaughtOf } from '../support/uncaught.ts';
import { FakeDns, key, record, records, settled, tree, turn, virtualEnv } from './trees.ts';

interface Fixture {
  readonly env: VirtualEnv;
  readonly dns: FakeDns;
  readonly client: DnsClient;
  readonly problems: PeerlaneError[];
}

function setUp(trees: readonly Tree[], options: Partial<DnsClientOptions> = {}): Fixture {
  const env = virtualEnv();
  const dns = new FakeDns(env, ...trees);
  const problems: PeerlaneError[] = [];
  const onProblem = (problem: PeerlaneError): void => void problems.push(problem);
  return { env, dns, problems, client: new DnsClient({ resolver: dns, env, onProblem, ...options }) };
}

const urlOf = ({ url }: Tree): string => formatTreeUrl(url);
const texts = (found: readonly NodeRecord[]): string[] => found.map(String).sort();

/** The next `count` records of an iterator. */
async function take(
  env: VirtualEnv,
  iterator: AsyncIterableIterator<NodeRecord>,
  count: number,
  stepMs?: number,
): Promise<NodeRecord[]> {
  const found: NodeRecord[] = [];
  while (found.length < count) {
    const { value, done } = await settled(env, iterator.next(), stepMs);
    if (done === true) throw new Error('the iterator is over');
    found.push(value);
  }
  return found;
}

/** Puts a subtree of any entries below a signed root. */
function publish(dns: FakeDns, entries: readonly string[], { seq = 1n, domain = 'nodes.test' } = {}): void {
  for (const text of [...entries, 'enrtree-branch:']) dns.texts.set(`${hashOf(text)}.${domain}`, [text]);
  const content = { recordsHash: hashOf(entries[0] ?? ''), linksHash: hashOf('enrtree-branch:'), seq };
  dns.texts.set(domain, [formatRoot(signRoot(content, key(1_000_000)))]);
}

const URL = urlOf(tree());

describe('records of a tree', () => {
  it('come in random order, each once before the first comes again', async () => {
    const { env, client } = setUp([tree({ count: 30 })]);
    const iterator = client.records([URL]);
    const first = await take(env, iterator, 30);
    const second = await take(env, iterator, 30);
    const all = texts(records(30));
    expect([texts(first), texts(second)]).toEqual([all, all]);
    expect(first.map(String)).not.toEqual(second.map(String));
  });

  it('are looked up only when somebody asks, and no more than is needed', async () => {
    const { env, dns, client } = setUp([tree({ count: 30 })]);
    const iterator = client.records([URL]);
    await turn();
    expect(dns.asked).toEqual([]);
    await take(env, iterator, 1);
    // The root, the empty branch of links, and the way down to a record.
    expect(dns.asked.length).toBeLessThanOrEqual(4 + 2);
    const { length } = dns.asked;
    env.advance(10 * ROOT_INTERVAL_MS);
    await turn();
    expect([dns.asked.length, env.timers]).toEqual([length, 0]);
  });

  it('come at three a second at most', async () => {
    const { env, dns, client } = setUp([tree({ count: 100 })]);
    await take(env, client.records([URL]), 100, 10);
    const times = dns.asked.map(({ at }) => at);
    for (const [i, at] of times.entries()) {
      // Three may come at once at the start; from there on one in each third of a second.
      const before = times[i - 3];
      if (before !== undefined) expect(at - before).toBeGreaterThanOrEqual(i < 6 ? 333 : 990);
    }
    const perSecond = times.length / ((env.now() - 1_000) / 1_000);
    expect(perSecond).toBeGreaterThan(2.8);
    expect(perSecond).toBeLessThan(3.2);
  });

  it('are looked up once, as long as they are cached', async () => {
    const { env, dns, client } = setUp([tree({ count: 30 })]);
    const iterator = client.records([URL]);
    await take(env, iterator, 30);
    const { length } = dns.asked;
    await take(env, iterator, 30);
    // Also for another iterator of the same client.
    await take(env, client.records([URL]), 30);
    expect(dns.asked.length).toBe(length);
  });

  it('beyond a thousand entries, or what was asked for, are forgotten', async () => {
    const { env, dns, client } = setUp([tree({ count: 30 })], { cacheSize: 5 });
    const iterator = client.records([URL]);
    await take(env, iterator, 30);
    const { length } = dns.asked;
    await take(env, iterator, 30);
    expect(dns.asked.length).toBeGreaterThan(length + 20);
  });

  it('may be asked for by several at once', async () => {
    const { env, client } = setUp([tree({ count: 5 })]);
    const iterator = client.records([URL]);
    const found = await settled(env, Promise.all(Array.from({ length: 5 }, () => iterator.next())));
    expect(texts(found.map(({ value }) => value))).toEqual(texts(records(5)));
  });

  it('of several trees are mixed', async () => {
    const other = tree({ domain: 'other.test', from: 100, count: 20 });
    const { env, client } = setUp([tree({ count: 20 }), other]);
    const found = await take(env, client.records([URL, urlOf(other)]), 20);
    const fromOther = texts(found).filter((text) => texts(records(20, 100)).includes(text)).length;
    expect(fromOther).toBeGreaterThan(3);
    expect(fromOther).toBeLessThan(17);
  });
});

describe('the end of an iterator', () => {
  it('comes with the signal, as an error, also while it waits', async () => {
    const { env, dns, client } = setUp([]);
    dns.instead = () => new Promise(() => undefined);
    const abort = new AbortController();
    const iterator = client.records([URL], { signal: abort.signal });
    const waiting = iterator.next();
    await turn();
    abort.abort();
    expect(await rejectionOf(waiting)).toBe('aborted');
    expect(await iterator.next()).toEqual({ done: true, value: undefined });
    expect([env.timers, dns.signals.every(({ aborted }) => aborted)]).toEqual([0, true]);
    expect(await rejectionOf(client.records([URL], { signal: abort.signal }).next())).toBe('aborted');
  });

  it('comes with the signal also while all is cached, and as much may be visited as one likes', async () => {
    const made = tree({ count: 20 });
    const resolver = { resolveTxt: async (name: string) => [treeTexts(made).get(name) ?? ''] };
    const client = new DnsClient({ resolver, rate: 1_000_000 });
    const abort = new AbortController();
    const read = async () => {
      let count = 0;
      for await (const _ of client.records([URL], { signal: abort.signal })) {
        if (count++ === 0) setImmediate(() => abort.abort());
        if (count === 1_000_000) throw new Error('nobody else has had a turn');
      }
    };
    expect(await rejectionOf(read())).toBe('aborted');
  });

  it('comes with return, without an error', async () => {
    const { env, client } = setUp([tree({ count: 0 })]);
    const iterator = client.records([URL]);
    const waiting = iterator.next();
    await turn();
    await iterator.return?.();
    expect(await waiting).toEqual({ done: true, value: undefined });
    expect(env.timers).toBe(0);
  });

  it('comes when a loop is left', async () => {
    const { env, client } = setUp([tree()]);
    const iterator = client.records([URL]);
    const loop = async (): Promise<void> => {
      for await (const found of iterator) {
        expect(texts(records(3))).toContain(String(found));
        break;
      }
    };
    await settled(env, loop());
    expect(await iterator.next()).toEqual({ done: true, value: undefined });
  });
});

describe('the root of a tree', () => {
  it('is looked at every 30 minutes, and what is new comes', async () => {
    const { env, dns, client } = setUp([tree({ count: 5 })]);
    const iterator = client.records([URL]);
    await take(env, iterator, 5);
    dns.publish(tree({ count: 5, from: 50, seq: 2n }));
    env.advance(ROOT_INTERVAL_MS - 10_000);
    await take(env, iterator, 5);
    expect(dns.names.filter((name) => name === 'nodes.test').length).toBe(1);
    env.advance(10_000);
    expect(texts(await take(env, iterator, 5))).toEqual(texts(records(5, 50)));
    expect(dns.names.filter((name) => name === 'nodes.test').length).toBe(2);
  });

  it('costs nothing but itself when the tree is the same', async () => {
    const { env, dns, client } = setUp([tree({ count: 5 })]);
    const iterator = client.records([URL]);
    await take(env, iterator, 5);
    const { length } = dns.asked;
    env.advance(ROOT_INTERVAL_MS);
    await take(env, iterator, 20);
    expect(dns.names.slice(length)).toEqual(['nodes.test']);
  });

  it('is looked up once in that time for all iterators of a client', async () => {
    const { env, dns, client } = setUp([tree({ count: 5 })]);
    const rootLookups = () => dns.names.filter((name) => name === 'nodes.test').length;
    const [one, other] = [client.records([URL]), client.records([URL])];
    await take(env, one, 5);
    env.advance(ROOT_INTERVAL_MS / 2);
    await take(env, other, 5);
    expect(rootLookups()).toBe(1);
    // It is due for both: half an hour after it was read, not after it was taken over.
    dns.publish(tree({ count: 5, from: 50, seq: 2n }));
    env.advance(ROOT_INTERVAL_MS / 2);
    const found = [...(await take(env, other, 5)), ...(await take(env, one, 5))];
    expect([texts(found.slice(0, 5)), texts(found.slice(5))]).toEqual(
      [1, 2].map(() => texts(records(5, 50))),
    );
    expect(rootLookups()).toBe(2);
    env.advance(ROOT_INTERVAL_MS / 2);
    await settled(env, client.sync(URL));
    env.advance(ROOT_INTERVAL_MS / 2);
    await take(env, one, 5);
    expect(rootLookups()).toBe(3);
  });

  it('that another iterator has read is not enough where the tree has been replaced since', async () => {
    const { env, dns, client } = setUp([tree({ count: 200 })]);
    await take(env, client.records([URL]), 1);
    dns.texts.clear();
    dns.publish(tree({ count: 5, from: 500, seq: 2n }));
    const before = env.now();
    const found = await take(env, client.records([URL]), 20);
    expect(texts(found)).toEqual(expect.arrayContaining(texts(records(5, 500))));
    expect(env.now() - before).toBeLessThan(5 * 60_000);
  });

  it('never goes back, for any iterator of a client', async () => {
    const { env, dns, client, problems } = setUp([tree({ count: 5, seq: 7n })]);
    await take(env, client.records([URL]), 1);
    env.advance(ROOT_INTERVAL_MS);
    dns.publish(tree({ count: 5, from: 50, seq: 6n }));
    const iterator = client.records([URL]);
    const waiting = iterator.next();
    for (let i = 0; i < 50; i++) {
      env.advance(1_000);
      await turn();
    }
    expect(problems.length).toBeGreaterThan(2);
    expect(problems[0]?.message).toMatch(/older/);
    expect(await rejectionOf(settled(env, client.sync(URL)))).toBe('invalid-tree');
    dns.publish(tree({ count: 5, from: 50, seq: 7n }));
    await settled(env, waiting);
  });

  it('that goes back, or is forged, leaves the tree as it is', async () => {
    const { env, dns, client, problems } = setUp([tree({ count: 5, seq: 7n })]);
    const iterator = client.records([URL]);
    await take(env, iterator, 1);
    for (const bad of [tree({ from: 50, seq: 6n }), tree({ from: 50, seq: 9n, signer: 3 })]) {
      dns.publish(bad);
      env.advance(ROOT_INTERVAL_MS);
      expect(texts(records(5))).toEqual(expect.arrayContaining(texts(await take(env, iterator, 10))));
      expect(problems.at(-1)?.code).toBe('invalid-tree');
    }
  });

  it('is asked for less and less often while it fails', async () => {
    const { env, dns, client, problems } = setUp([]);
    const iterator = client.records([URL]);
    const waiting = iterator.next();
    for (let second = 0; second < 3_600; second++) {
      env.advance(1_000);
      await turn();
    }
    // 1, 2, 4 ... seconds up to five minutes.
    expect(dns.asked.length).toBeLessThan(25);
    expect(dns.asked.length).toBeGreaterThan(15);
    const times = dns.asked.map(({ at }) => at);
    expect((times.at(-1) ?? 0) - (times.at(-2) ?? 0)).toBeLessThanOrEqual(LONGEST_PAUSE_MS + 2_000);
    expect(problems.length).toBe(dns.asked.length);
    dns.publish(tree());
    await settled(env, waiting, 10_000);
  });

  it('of a tree without records is waited for', async () => {
    const { env, dns, client } = setUp([tree({ count: 0 })]);
    const iterator = client.records([URL]);
    const waiting = iterator.next();
    for (let minute = 0; minute < 29; minute++) {
      env.advance(60_000);
      await turn();
    }
    // The root and the branch that both subtrees are.
    expect(dns.asked.length).toBe(2);
    dns.publish(tree({ seq: 2n, count: 1 }));
    expect((await settled(env, waiting, 1_000)).value.toString()).toBe(record(0).toString());
  });
});

describe('an answer that does not come, or is wrong', () => {
  it('ends after 5 s, and the resolver is told', async () => {
    const { env, dns, client, problems } = setUp([]);
    dns.instead = () => new Promise(() => undefined);
    const iterator = client.records([URL]);
    const waiting = iterator.next();
    await turn();
    env.advance(4_999);
    await turn();
    expect([problems.length, dns.signals[0]?.aborted]).toEqual([0, false]);
    env.advance(1);
    await turn();
    expect([problems[0]?.code, dns.signals[0]?.aborted]).toEqual(['lookup-timeout', true]);
    await iterator.return?.();
    await waiting;
  });

  it.each([
    ['nothing', () => Promise.resolve([])],
    ['an error', () => Promise.reject(new Error('SERVFAIL'))],
    [
      'an error that is thrown',
      () => {
        throw new Error('at once');
      },
    ],
    ['another entry', () => Promise.resolve([record(9).toString()])],
    ['no strings', () => Promise.resolve([7, undefined] as never)],
    ['no array', () => Promise.resolve('enr:' as never)],
  ])('%s for one entry does not keep the others', async (_, answer) => {
    const { env, dns, client, problems } = setUp([tree({ count: 10 })]);
    const bad = `${hashOf(record(3).toString())}.nodes.test`;
    dns.instead = (name) => (name === bad ? answer() : undefined);
    const iterator = client.records([URL]);
    const others = texts(records(10)).filter((text) => text !== record(3).toString());
    expect(texts(await take(env, iterator, 9))).toEqual(others);
    // It is asked for three times in a pass, behind the others, and is there when it can be had again.
    expect(texts(await take(env, iterator, 9))).toEqual(others);
    expect(problems.length).toBeLessThanOrEqual(6);
    dns.instead = undefined;
    expect(texts(await take(env, iterator, 20))).toContain(record(3).toString());
  });

  it('for all entries makes the lookups rare, and the root is looked at', async () => {
    const { env, dns, client } = setUp([tree({ count: 30 })]);
    const iterator = client.records([URL]);
    await take(env, iterator, 3);
    const { length } = dns.asked;
    dns.instead = () => Promise.reject(new Error('unreachable'));
    // What is in the cache still comes.
    const waiting = (async () => {
      for (;;) if ((await iterator.next()).done === true) return;
    })();
    for (let second = 0; second < 3_600; second++) {
      env.advance(1_000);
      await turn();
    }
    expect(dns.asked.length - length).toBeLessThan(100);
    expect(dns.names.slice(length)).toContain('nodes.test');
    await iterator.return?.();
    await waiting;
  });

  it('of a replaced tree leads to the new one, long before half an hour', async () => {
    const { env, dns, client } = setUp([tree({ count: 200 })]);
    const iterator = client.records([URL]);
    await take(env, iterator, 3);
    dns.texts.clear();
    dns.publish(tree({ count: 20, from: 500, seq: 2n }));
    const before = env.now();
    const found = await take(env, iterator, 25);
    expect(texts(found)).toEqual(expect.arrayContaining(texts(records(20, 500))));
    expect(env.now() - before).toBeLessThan(5 * 60_000);
  });
});

describe('what cannot be had of a tree', () => {
  /** The names of entries of a kind. */
  const namesOf = (made: Tree, prefix: string): string[] =>
    [...treeTexts(made)].filter(([, text]) => text.startsWith(prefix)).map(([name]) => name);

  /** All records that an iterator gives within some time, and the longest that nothing came, in ms. */
  async function during(env: VirtualEnv, iterator: AsyncIterableIterator<NodeRecord>, ms: number) {
    const found: NodeRecord[] = [];
    const [from, stepMs] = [env.now(), 1_000];
    let [last, silence] = [from, 0];
    const all = (async () => {
      for await (const one of iterator) {
        found.push(one);
        silence = Math.max(silence, env.now() - last);
        last = env.now();
      }
    })();
    for (let at = 0; at < ms; at += stepMs) {
      env.advance(stepMs);
      await turn();
    }
    await iterator.return?.();
    await all;
    return { found, silence: Math.max(silence, env.now() - last) };
  }

  it.each([2, 5, 10])('keeps no record waiting, if it is %i links', async (count) => {
    const links = Array.from({ length: count }, (_, i) => tree({ domain: `l${i}.test` }).url);
    const made = tree({ count: 40, links });
    const { env, dns, client } = setUp([made]);
    for (const name of namesOf(made, 'enrtree://')) dns.texts.delete(name);
    const before = env.now();
    await take(env, client.records([URL]), 40);
    expect(env.now() - before).toBeLessThan(60_000);
  });

  it('waits by itself, while the rest comes again and again', async () => {
    const made = tree({ count: 40 });
    const { env, dns, client } = setUp([made]);
    const missing = namesOf(made, 'enr:').slice(0, 10);
    for (const name of missing) dns.texts.delete(name);
    const { found, silence } = await during(env, client.records([URL]), 30 * 60_000);
    expect(new Set(texts(found)).size).toBe(30);
    // Three a second would be 5,400.
    expect(found.length).toBeGreaterThan(4_500);
    expect(silence).toBeLessThan(15_000);
    const asked = dns.names.filter((name) => missing.includes(name)).length;
    expect(asked).toBeGreaterThanOrEqual(missing.length);
    expect(asked).toBeLessThan(100);
  });

  it('comes when it is there, within some minutes', async () => {
    const made = tree({ count: 20 });
    const { env, dns, client } = setUp([made]);
    const missing = namesOf(made, 'enr:').slice(0, 5);
    for (const name of missing) dns.texts.delete(name);
    const iterator = client.records([URL]);
    await take(env, iterator, 2_000);
    dns.publish(made);
    const before = env.now();
    while (new Set(texts(await take(env, iterator, 60))).size < 20) {
      expect(env.now() - before).toBeLessThan(3 * LONGEST_PAUSE_MS);
    }
  });

  it('is no reason to read the links again', async () => {
    const links = Array.from({ length: 6 }, (_, i) => tree({ domain: `l${i}.test` }).url);
    const made = tree({ count: 5, links });
    const { env, dns, client } = setUp([made], { cacheSize: 0 });
    const [missing = ''] = namesOf(made, 'enrtree://');
    dns.texts.delete(missing);
    await during(env, client.records([URL]), 30 * 60_000);
    const askedFor = (name: string) => dns.names.filter((asked) => asked === name).length;
    expect(namesOf(made, 'enrtree://').map((name) => name === missing || askedFor(name))).toEqual([
      true,
      ...Array(5).fill(1),
    ]);
    expect(askedFor('nodes.test')).toBeLessThanOrEqual(3);
  });

  it('is asked for again at once when there is a new root', async () => {
    const made = tree({ count: 5 });
    const { env, dns, client } = setUp([made]);
    const bad = `${hashOf(record(3).toString())}.nodes.test`;
    dns.texts.delete(bad);
    const iterator = client.records([URL]);
    await take(env, iterator, 1_000);
    dns.publish(tree({ count: 6, seq: 2n }));
    env.advance(ROOT_INTERVAL_MS);
    expect(new Set(texts(await take(env, iterator, 12))).size).toBe(6);
  });

  it('is remembered up to a bound', () => {
    const absences = new Absences();
    for (let i = 0; i < MAX_ABSENT + 10; i++) absences.failed(`n${i}`, 0);
    expect([absences.size, absences.until('n0'), absences.until('n10')]).toEqual([
      MAX_ABSENT,
      Number.NEGATIVE_INFINITY,
      1_000,
    ]);
    absences.failed('n10', 0);
    expect(absences.until('n10')).toBe(2_000);
    absences.ended('n10');
    expect(absences.until('n10')).toBe(Number.NEGATIVE_INFINITY);
  });

  it('is asked for rarely when it is all, and what is cached comes all the while', async () => {
    const { env, dns, client } = setUp([tree({ count: 30 })]);
    const iterator = client.records([URL]);
    await take(env, iterator, 10);
    dns.instead = () => Promise.reject(new Error('unreachable'));
    const { length } = dns.asked;
    const { found, silence } = await during(env, iterator, 60 * 60_000);
    expect(dns.asked.length - length).toBeLessThan(60);
    expect(found.length).toBeGreaterThan(5_000);
    expect(silence).toBeLessThan(15_000);
  });
});

describe('lists', () => {
  it('are read on by each iterator where the last one has stopped', async () => {
    const made = tree({ count: 30 });
    const { env, dns, client } = setUp([made], { cacheSize: 0 });
    const lists = client.lists([URL]);
    const found: NodeRecord[] = [];
    while (found.length < 30) {
      const iterator = lists.records();
      found.push(...(await take(env, iterator, 1)));
      // The next one is asked for, and given up.
      const given = iterator.next();
      await turn();
      await iterator.return?.();
      const { value } = await given;
      if (value !== undefined) found.push(value);
    }
    expect(texts(found)).toEqual(texts(records(30)));
    // Each entry once, but for those that were given up.
    expect(dns.names.filter((name) => name === 'nodes.test').length).toBe(1);
    env.advance(ROOT_INTERVAL_MS);
    await take(env, lists.records(), 1);
    expect(dns.names.filter((name) => name === 'nodes.test').length).toBe(2);
  });

  it('go on with what was being looked up when an iterator ended', async () => {
    const { env, dns, client } = setUp([tree({ count: 3 })], { cacheSize: 0 });
    const lists = client.lists([URL]);
    for (let i = 0; i < 12; i++) {
      dns.instead = () => new Promise(() => undefined);
      const iterator = lists.records();
      const given = iterator.next();
      for (let ms = 0; ms < 400; ms += 100) {
        await turn();
        env.advance(100);
      }
      await turn();
      await iterator.return?.();
      expect(await given).toEqual({ done: true, value: undefined });
      dns.instead = undefined;
      // At once: the one before may not have come to its end.
      expect(texts(records(3))).toEqual(expect.arrayContaining(texts(await take(env, lists.records(), 1))));
    }
  });

  it('are read by one iterator at a time, and another may leave while it waits', async () => {
    const { env, dns, client } = setUp([tree({ count: 3 })]);
    const lists = client.lists([URL]);
    dns.instead = () => new Promise(() => undefined);
    const [one, other] = [lists.records(), lists.records()];
    const given = [one.next(), other.next()];
    await turn();
    await other.return?.();
    expect(await given[1]).toEqual({ done: true, value: undefined });
    expect(dns.asked.length).toBe(1);
    await one.return?.();
    expect([await given[0], env.timers]).toEqual([{ done: true, value: undefined }, 0]);
  });

  it('lose no turn for whoever leaves while it waits for one', async () => {
    const { env, client } = setUp([tree({ count: 3 })]);
    const lists = client.lists([URL]);
    await take(env, lists.records(), 10, 10);
    for (let i = 0; i < 50; i++) {
      const iterator = lists.records();
      const given = iterator.next();
      await turn();
      await iterator.return?.();
      await given;
    }
    const before = env.now();
    await take(env, lists.records(), 1, 10);
    expect(env.now() - before).toBeLessThan(1_000);
  });
});

describe('what stands in a tree without being of use', () => {
  it('is passed over', async () => {
    const { env, dns, client, problems } = setUp([]);
    const leaves = [
      'enrtree-future:something',
      `enr:${'A'.repeat(500)}`,
      `enrtree://${'A'.repeat(53)}@n`,
      urlOf(tree({ domain: 'other.test' })),
      record(1).toString(),
      record(2).toString(),
    ];
    publish(dns, [`enrtree-branch:${leaves.map(hashOf).join(',')}`, ...leaves]);
    const iterator = client.records([URL]);
    expect(texts(await take(env, iterator, 2))).toEqual(texts([record(1), record(2)]));
    await take(env, iterator, 2);
    // None of them is asked for again.
    expect(dns.asked.length).toBe(2 + 1 + leaves.length);
    expect(problems.map(({ code }) => code)).toEqual(
      expect.arrayContaining(['invalid-tree', 'invalid-record', 'invalid-tree-url']),
    );
  });

  it('are records of other text at a name', async () => {
    const { env, dns, client } = setUp([tree({ count: 1 })]);
    for (const [name, [text = '']] of dns.texts)
      dns.texts.set(name, ['v=spf1 -all', 'enrtree-future:x', text]);
    expect(texts(await take(env, client.records([URL]), 1))).toEqual(texts(records(1)));
  });
});

describe('an unknown entry', () => {
  it('in UTF-8 is passed over as any other, and served again as it was', async () => {
    const { env, dns, client } = setUp([]);
    const odd = 'future:caf\u00e9 \u20ac';
    const leaves = [odd, record(1).toString()];
    publish(dns, [`enrtree-branch:${leaves.map(hashOf).join(',')}`, ...leaves]);
    const server = await DnsServer.serve(new Map([...dns.texts].map(([name, [text = '']]) => [name, text])));
    onTestFinished(() => server[Symbol.asyncDispose]());
    const resolver = new DnsResolver({ servers: [server.address] });
    const fromServer = new DnsClient({ resolver, rate: 1_000 });
    const given = new DnsClient({ resolver: dns, env, rate: 1_000 });
    for (const read of [await fromServer.sync(URL), await settled(env, given.sync(URL))]) {
      expect(texts(read.records)).toEqual([record(1).toString()]);
      expect(read.ignored.map(({ code }) => code)).toEqual(['invalid-tree']);
      expect(read.entries.get(hashOf(odd))).toBe(odd);
      expect(formatZone(read)).toContain('"future:caf\\195\\169 \\226\\130\\172"');
    }
    expect(texts(await take(env, client.records([URL]), 2))).toContain(record(1).toString());
  });
});

describe('links', () => {
  const at = (i: number): string => `t${i}.test`;

  it('are followed, in a loop too', async () => {
    const [first, second] = [tree({ domain: at(1), count: 0 }), tree({ domain: at(2), count: 0 })];
    const { env, client } = setUp([
      tree({ domain: at(1), count: 3, links: [second.url, first.url] }),
      tree({ domain: at(2), count: 3, from: 100, links: [first.url] }),
    ]);
    const found = await take(env, client.records([urlOf(first)]), 24);
    expect([...new Set(texts(found))].sort()).toEqual(texts([...records(3), ...records(3, 100)]));
  });

  it('are left when they are gone, and not before', async () => {
    const other = tree({ domain: at(2), count: 3, from: 100 });
    const { env, dns, client } = setUp([tree({ count: 3, links: [other.url] }), other]);
    const iterator = client.records([URL]);
    await take(env, iterator, 20);
    // The new root is there, and its subtree of links is not.
    const next = tree({ count: 3, seq: 2n, links: [tree({ domain: at(3) }).url] });
    dns.publish(next);
    const missing = `${next.root.linksHash}.nodes.test`;
    dns.instead = (name) => (name === missing ? Promise.reject(new Error('not yet')) : undefined);
    env.advance(ROOT_INTERVAL_MS);
    const theirs = texts(records(3, 100));
    expect(texts(await take(env, iterator, 20)).some((text) => theirs.includes(text))).toBe(true);
    dns.instead = undefined;
    env.advance(ROOT_INTERVAL_MS);
    await take(env, iterator, 5);
    expect(texts(await take(env, iterator, 20)).some((text) => theirs.includes(text))).toBe(false);
  });

  it('of a tree that fails do not keep its records', async () => {
    const dead = tree({ domain: 'dead.test' });
    const made = tree({ count: 3, links: [dead.url] });
    const { env, dns, client } = setUp([made]);
    dns.texts.delete(`${made.root.linksHash}.nodes.test`);
    expect(texts(await take(env, client.records([URL]), 3))).toEqual(texts(records(3)));
  });

  it('have a bound in depth', async () => {
    const chain = Array.from({ length: MAX_LINK_DEPTH + 3 }, (_, i) =>
      tree({ domain: at(i), count: 1, from: i, links: [tree({ domain: at(i + 1), count: 0 }).url] }),
    );
    const { env, dns, client } = setUp(chain);
    await take(env, client.records([urlOf(tree({ domain: at(0), count: 0 }))]), 100, 1_000);
    const roots = new Set(dns.names.filter((name) => name.startsWith('t')));
    expect(roots.size).toBe(MAX_LINK_DEPTH + 1);
  });

  it('have a bound in number', async () => {
    const links = Array.from({ length: 2 * MAX_TREES }, (_, i) => tree({ domain: at(i), count: 0 }));
    const { env, dns, client } = setUp(
      [
        tree({ count: 1, links: links.map(({ url }) => url) }),
        ...links.map((_, i) => tree({ domain: at(i), count: 1, from: 100 + i })),
      ],
      { rate: 1_000 },
    );
    await take(env, client.records([URL]), 3_000, 1_000);
    expect(new Set(dns.names.filter((name) => name.startsWith('t'))).size).toBe(MAX_TREES - 1);
  });
});

describe('a resolver that says anything', () => {
  const mine = tree({ count: 20, links: [tree({ domain: 'other.test' }).url] });
  const forged = tree({ count: 20, from: 900, signer: 3, seq: 9n });
  const known = [...treeTexts(mine).values(), ...treeTexts(forged).values()];
  const text = fc.oneof(
    fc.constantFrom(...known),
    fc.string({ unit: 'binary', maxLength: 50 }),
    fc.tuple(fc.constantFrom(...known), fc.nat(80)).map(([all, at]) => all.slice(0, at)),
    fc.constantFrom('enrtree-branch:', 'enrtree-root:v1', 'enr:', 'enrtree://'),
  );

  it('gives no record that the tree does not hold, and is asked no faster for it', async () => {
    const honest = texts(records(20));
    const answers = fc.array(fc.array(text, { maxLength: 4 }), { minLength: 1, maxLength: 40 });
    await fc.assert(
      fc.asyncProperty(answers, async (lies) => {
        const { env, dns, client } = setUp([mine]);
        let at = 0;
        // Every other answer is what it should be.
        dns.instead = () => (at++ % 2 === 0 ? undefined : Promise.resolve(lies[at % lies.length] ?? []));
        const iterator = client.records([URL]);
        const found: string[] = [];
        const all = (async () => {
          for await (const record of iterator) found.push(String(record));
        })();
        for (let second = 0; second < 120; second++) {
          await turn();
          env.advance(1_000);
        }
        await iterator.return?.();
        await all;
        expect(honest).toEqual(expect.arrayContaining(found));
        expect(dns.asked.length).toBeLessThanOrEqual(3 * 121);
      }),
      { numRuns: runs(25) },
    );
  });
});

describe('sync', () => {
  it('reads the whole tree, and nothing of those that it links to', async () => {
    const other = tree({ domain: 'other.test', count: 2 });
    const made = tree({ count: 40, links: [other.url], seq: 9n });
    const { env, dns, client } = setUp([made, other]);
    const progress: [number, number][] = [];
    const read = await settled(
      env,
      client.sync(URL, { onProgress: ({ done, known }) => progress.push([done, known]) }),
    );
    expect(treeTexts(read).size).toBe(treeTexts(made).size);
    expect(new Map([...treeTexts(read)].sort())).toEqual(new Map([...treeTexts(made)].sort()));
    expect([texts(read.records), read.links, read.root.seq]).toEqual([texts(records(40)), [other.url], 9n]);
    expect(progress.at(-1)).toEqual([treeTexts(made).size, treeTexts(made).size]);
    expect(dns.names.some((name) => name.endsWith('other.test'))).toBe(false);
  });

  it('ends with the signal even when it has read the last entry', async () => {
    const made = tree({ count: 5 });
    const { env, client } = setUp([made]);
    const abort = new AbortController();
    const onProgress = ({ done }: { done: number }): void => {
      if (done === treeTexts(made).size) abort.abort();
    };
    const read = client.sync(URL, { onProgress, signal: abort.signal });
    expect(await settled(env, rejectionOf(read))).toBe('aborted');
  });

  it('tells of records before it has them all, also when the rest cannot be had', async () => {
    const { env, dns, client } = setUp([tree({ count: 40 })]);
    const told: NodeRecord[] = [];
    const onRecord = (record: NodeRecord): void => void told.push(record);
    dns.instead = () => (told.length >= 10 ? Promise.reject(new Error('SERVFAIL')) : undefined);
    expect(await rejectionOf(settled(env, client.sync(URL, { onRecord })))).toBe('lookup-failed');
    expect(told).toHaveLength(10);
    expect(texts(records(40))).toEqual(expect.arrayContaining(texts(told)));
  });

  it('asks again when an answer fails, and gives up some time', async () => {
    const { env, dns, client } = setUp([tree({ count: 5 })]);
    const asked = (name: string): number => dns.names.filter((other) => other === name).length;
    dns.instead = (name) => (asked(name) < 4 ? Promise.reject(new Error('SERVFAIL')) : undefined);
    expect(texts((await settled(env, client.sync(URL))).records)).toEqual(texts(records(5)));
    dns.instead = () => Promise.reject(new Error('SERVFAIL'));
    expect(await rejectionOf(settled(env, client.sync(URL)))).toBe('lookup-failed');
    dns.instead = () => new Promise(() => undefined);
    expect(await rejectionOf(settled(env, client.sync(URL)))).toBe('lookup-timeout');
  });

  it('reads all that can be had, and says in the end what cannot', async () => {
    const made = tree({ count: 40 });
    const { env, dns, client } = setUp([made], { rate: 1_000 });
    const missing = [3, 9, 30].map((i) => `${hashOf(record(i).toString())}.nodes.test`);
    dns.instead = (name) => (missing.includes(name) ? Promise.reject(new Error('SERVFAIL')) : undefined);
    const told: NodeRecord[] = [];
    const missed: string[] = [];
    const syncing = client.sync(URL, {
      onRecord: (found) => void told.push(found),
      onMissing: ({ code }, name) => void missed.push(`${code} ${name}`),
    });
    const error = await settled(env, syncing).catch((problem: unknown) => problem);
    expect(error).toMatchObject({
      code: 'lookup-failed',
      message: expect.stringMatching(/^the entry \S+\.nodes\.test and 2 more cannot be had: SERVFAIL$/),
      details: { missing: 3, read: treeTexts(made).size - 3 },
    });
    expect(texts(told)).toEqual(texts(records(40).filter((_, i) => ![3, 9, 30].includes(i))));
    expect(missed.sort()).toEqual(missing.map((name) => `lookup-failed ${name}`).sort());
    for (const name of missing) {
      expect(dns.names.filter((asked) => asked === name).length).toBe(SYNC_ATTEMPTS);
    }
    // Those that cannot be had wait together.
    expect(env.now()).toBeLessThan(1_000 + 10_000);
  });

  it('gives up when nobody is there any more', async () => {
    const { env, dns, client } = setUp([tree({ count: 1_000 })], { rate: 1_000 });
    const told: NodeRecord[] = [];
    dns.instead = () => (told.length >= 500 ? Promise.reject(new Error('gone')) : undefined);
    const missing: string[] = [];
    const syncing = client.sync(URL, {
      onRecord: (found) => void told.push(found),
      onMissing: (_, name) => void missing.push(name),
    });
    expect(await rejectionOf(settled(env, syncing))).toBe('lookup-failed');
    expect(told.length).toBe(500);
    expect(dns.names.length).toBeLessThan(500 + 60 + SYNC_ATTEMPTS * MAX_SYNC_FAILURES);
    expect(new Set(missing).size).toBe(missing.length);
    expect(missing.length).toBeGreaterThan(10);
  });

  it('refuses a root that is older than one of before', async () => {
    const { env, client } = setUp([tree({ seq: 4n })]);
    expect(await rejectionOf(settled(env, client.sync(URL, { minSeq: 5n })))).toBe('invalid-tree');
    await settled(env, client.sync(URL, { minSeq: 4n }));
  });

  it('refuses what another key has signed', async () => {
    const { env, client } = setUp([tree({ signer: 3 })]);
    expect(await rejectionOf(settled(env, client.sync(URL)))).toBe('invalid-tree');
  });

  it('is aborted by its signal', async () => {
    const { env, dns, client } = setUp([tree({ count: 50 })]);
    const abort = new AbortController();
    const syncing = client.sync(URL, { signal: abort.signal });
    await turn();
    abort.abort();
    expect(await rejectionOf(syncing)).toBe('aborted');
    expect([env.timers, dns.asked.length]).toEqual([0, 3]);
    expect(await rejectionOf(client.sync(URL, { signal: abort.signal }))).toBe('aborted');
  });
});

describe('two iterators of a client', () => {
  it('know what the other has seen', async () => {
    const { env, dns, client, problems } = setUp([tree({ count: 5, seq: 1n })]);
    const [one, other] = [client.records([URL]), client.records([URL])];
    await take(env, one, 1);
    dns.publish(tree({ count: 5, from: 50, seq: 2n }));
    env.advance(ROOT_INTERVAL_MS);
    await take(env, other, 1);
    dns.publish(tree({ count: 5, seq: 1n }));
    env.advance(ROOT_INTERVAL_MS);
    await take(env, one, 1);
    expect(problems.at(-1)?.message).toMatch(/older/);
  });
});

describe('a client', () => {
  const resolver = { resolveTxt: () => Promise.resolve([]) };

  it.each([
    undefined,
    {},
    { resolver: {} },
    { resolver, env: {} },
    { resolver, timeoutMs: 0 },
    // A timer of Node.js that is longer is over at once.
    { resolver, timeoutMs: 1e12 },
    { resolver, timeoutMs: 2 ** 31 },
    { resolver, rate: 1e-9 },
    { resolver, rate: 1e12 },
    { resolver, cacheSize: 1e12 },
    { resolver: null },
    { resolver, rate: Number.NaN },
    { resolver, rate: '3' },
    { resolver, cacheSize: -1 },
    { resolver, onProblem: 'x' },
  ])('is not made of %j', (options) => {
    expect(codeOf(() => new DnsClient(options as never))).toBe('invalid-argument');
  });

  it('reads a tree however its observers fail', async () => {
    const broken = (): never => {
      throw new Error('a bug of an observer');
    };
    const { env, dns, client } = setUp([tree({ count: 5 })], { onProblem: broken });
    let failures = 0;
    dns.instead = () => (failures++ < 2 ? Promise.reject(new Error('SERVFAIL')) : undefined);
    const uncaught = await uncaughtOf(async () => {
      const { records: found } = await settled(env, client.sync(URL, { onProgress: broken }));
      expect(texts(found)).toEqual(texts(records(5)));
    });
    expect(uncaught.length).toBeGreaterThan(2);
    expect(uncaught[0]).toMatchObject({ message: 'a bug of an observer' });
  });

  it('refuses options of a call that it cannot use', async () => {
    const client = new DnsClient({ resolver });
    for (const options of [null, 5, 'x', { signal: 5 }, { signal: {} }]) {
      expect(codeOf(() => client.records([URL], options as never))).toBe('invalid-argument');
      expect(await rejectionOf(client.sync(URL, options as never))).toBe('invalid-argument');
    }
    for (const options of [
      { minSeq: 'x' },
      { minSeq: -1n },
      { minSeq: 2n ** 64n },
      { onProgress: 5 },
      { onMissing: 5 },
    ]) {
      expect(await rejectionOf(client.sync(URL, options as never))).toBe('invalid-argument');
    }
  });

  it('wants some URLs of trees', async () => {
    const client = new DnsClient({ resolver });
    for (const urls of [[], 'x', undefined, Array(MAX_TREES + 1).fill(URL)]) {
      expect(codeOf(() => client.records(urls as never))).toBe('invalid-argument');
    }
    expect(codeOf(() => client.records(['enode://']))).toBe('invalid-tree-url');
    expect(await rejectionOf(client.sync('enode://'))).toBe('invalid-tree-url');
  });
});
