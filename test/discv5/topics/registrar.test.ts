import { describe, expect, it } from 'vitest';
import { EMPTY } from '../../../src/base/bytes.ts';
import { VirtualEnv } from '../../../src/base/virtual-env.ts';
import {
  C,
  DELTA,
  E,
  EARLIEST_RENEWAL,
  HOST_ADS_SHARE,
  MAX_WAITED_E,
  NETWORK_ADS_PER_TOPIC,
  WIDE_NETWORK_ADS_PER_TOPIC,
} from '../../../src/discv5/topics/parameters.ts';
import { Registrar, type RegistrationOutcome } from '../../../src/discv5/topics/registrar.ts';
import { signRecord } from '../../../src/enr/index.ts';
import { codeOf } from '../../support/errors.ts';
import { ipOf } from '../../support/kad-nodes.ts';
import { type RecordedNode, topicNode, topicOf } from './nodes.ts';

function setUp(parameters: { c?: number } = {}) {
  const env = new VirtualEnv({ seed: 5 });
  const randomBytes = (length: number): Uint8Array => env.randomBytes(length);
  const registrar = new Registrar({ localId: env.randomBytes(32), randomBytes, parameters });
  const ask = (
    node: RecordedNode,
    now: number,
    {
      topic = topicOf(0),
      ticket = EMPTY,
      ip = node.ip,
    }: { topic?: Uint8Array; ticket?: Uint8Array; ip?: string } = {},
  ): RegistrationOutcome =>
    registrar.register({ topic, record: node.record, ticket, sender: { id: node.id, ip }, now });
  const wait = (node: RecordedNode, now: number, options = {}): { ticket: Uint8Array; waitMs: number } => {
    const outcome = ask(node, now, options);
    if (outcome.kind !== 'wait') throw new Error(`expected a ticket, not ${outcome.kind}`);
    return outcome;
  };
  /** Comes again whenever it is told to, and gives the time at which it is let in. */
  const admit = (node: RecordedNode, from: number, topic = topicOf(0)): number => {
    let now = from;
    let ticket = EMPTY;
    for (let tries = 0; tries < 100; tries++) {
      const outcome = ask(node, now, { topic, ticket });
      if (outcome.kind === 'admitted') return now;
      if (outcome.kind === 'refused') throw new Error(outcome.reason);
      ({ ticket } = outcome);
      now += outcome.waitMs;
    }
    throw new Error('it was never let in');
  };
  return { env, registrar, ask, wait, admit };
}

describe('an advertiser', () => {
  it('waits, comes back with its ticket, is let in and found until E is over', () => {
    const { env, registrar, ask, wait } = setUp();
    const node = topicNode(env, '9.9.9.9');
    const { ticket, waitMs } = wait(node, 1_000);
    expect(waitMs).toBe(1);
    expect(registrar.query(topicOf(0), 1_000)).toEqual([]);
    expect(ask(node, 1_001, { ticket })).toEqual({ kind: 'admitted', lifetimeMs: E });
    expect(registrar.query(topicOf(0), 1_000 + E)).toEqual([node.record]);
    expect(registrar.query(topicOf(1), 1_000 + E)).toEqual([]);
    expect(registrar.query(topicOf(0), 1_001 + E)).toEqual([]);
    expect(registrar.stats).toEqual({ ads: 0, topics: 0 });
  });

  it('is told what is left while its advertisement is young, whatever ticket it has: nothing is gained by a used one', () => {
    const { env, registrar, ask, wait } = setUp();
    const node = topicNode(env, '9.9.9.9');
    const { ticket } = wait(node, 0);
    ask(node, 1, { ticket });
    for (const again of [ticket, EMPTY, Uint8Array.of(1)]) {
      expect(ask(node, 1_001, { ticket: again })).toEqual({ kind: 'admitted', lifetimeMs: E - 1_000 });
    }
    expect(registrar.stats.ads).toBe(1);
    expect(registrar.query(topicOf(0), E + 2)).toEqual([]);
  });

  it('gains and loses nothing by requests that come twice', () => {
    const TWICE = 250;
    const admittedAfter = (isTwice: boolean): number => {
      const { env, ask, admit } = setUp();
      for (let i = 0; i < 3; i++) admit(topicNode(env, `9.9.${i}.9`), i * 1_000);
      const node = topicNode(env, '8.8.8.8');
      let [now, ticket] = [10_000, EMPTY];
      for (let tries = 0; tries < 100; tries++) {
        const first = ask(node, now, { ticket });
        if (isTwice) now += TWICE;
        const outcome = isTwice ? ask(node, now, { ticket }) : first;
        if (first.kind === 'admitted') {
          expect(outcome).toEqual({ kind: 'admitted', lifetimeMs: isTwice ? E - TWICE : E });
          return now;
        }
        if (outcome.kind !== 'wait') throw new Error(`first ${first.kind}, then ${outcome.kind}`);
        ({ ticket } = outcome);
        now += outcome.waitMs;
      }
      throw new Error('it was never let in');
    };
    const [once, twice] = [admittedAfter(false), admittedAfter(true)];
    expect(once).toBeGreaterThan(20_000);
    expect(Math.abs(twice - once)).toBeLessThan(10 * TWICE);
  });

  it('renews when a tenth of the time is over, and before says how much is left', () => {
    const { env, ask, wait } = setUp();
    const node = topicNode(env, '9.9.9.9');
    ask(node, 1, { ticket: wait(node, 0).ticket });
    expect(ask(node, E / 10)).toEqual({ kind: 'admitted', lifetimeMs: E + 1 - E / 10 });
    expect(ask(node, E / 10 + 2)).toMatchObject({ kind: 'wait' });
  });

  it('renews in the second half, waiting as if its own advertisement were not there', () => {
    const { env, registrar, ask, wait } = setUp();
    const node = topicNode(env, '9.9.9.9');
    ask(node, 1, { ticket: wait(node, 0).ticket });
    const { ticket, waitMs } = wait(node, E / 2 + 1);
    expect(waitMs).toBe(1);
    expect(registrar.query(topicOf(0), E / 2 + 1)).toEqual([node.record]);
    expect(ask(node, E / 2 + 2, { ticket })).toEqual({ kind: 'admitted', lifetimeMs: E });
    expect(registrar.stats).toEqual({ ads: 1, topics: 1 });
    expect(registrar.query(topicOf(0), E + 100)).toEqual([node.record]);
  });

  it('has to wait with a new record, and the old one is given until then', () => {
    const { env, registrar, ask, wait } = setUp();
    const key = env.randomBytes(32);
    const node = topicNode(env, '9.9.9.9', { key });
    const { ticket: old } = wait(node, 0);
    ask(node, 1, { ticket: old });
    const moved = topicNode(env, '7.7.7.7', { key, seq: 2n });
    const { ticket } = wait(moved, 5_000);
    expect(registrar.query(topicOf(0), 5_000)).toEqual([node.record]);
    expect(ask(moved, 5_001, { ticket })).toMatchObject({ kind: 'admitted' });
    expect(registrar.query(topicOf(0), 5_001)).toEqual([moved.record]);
    expect(registrar.stats.ads).toBe(1);
  });

  it('waits longer where its topic or its network is well represented', () => {
    const { env, wait, admit } = setUp();
    for (let i = 0; i < 8; i++) admit(topicNode(env, ipOf(100 * i)), 0, topicOf(i));
    const other = wait(topicNode(env, '200.9.9.9'), 1, { topic: topicOf(99) }).waitMs;
    expect(wait(topicNode(env, '200.9.9.9'), 1, { topic: topicOf(1) }).waitMs).toBeGreaterThan(other + E / 9);
    expect(wait(topicNode(env, ipOf(0, 7)), 1, { topic: topicOf(99) }).waitMs).toBeGreaterThan(other + E / 2);
  });

  it('is told to wait no longer than E, and what it has waited counts', () => {
    const { env, ask, wait, admit } = setUp();
    admit(topicNode(env, '9.9.9.9'), 0);
    const like = topicNode(env, '9.9.9.8');
    const first = wait(like, 2);
    expect(first.waitMs).toBe(E);
    // The other one has gone by then.
    expect(ask(like, 2 + E, { ticket: first.ticket })).toMatchObject({ kind: 'admitted' });
  });
});

describe('a ticket is not good', () => {
  /** One is in the cache, so that another one has to wait; then says how long who comes with a ticket has still to wait. */
  function pending() {
    const all = setUp();
    const { env, admit, wait, ask } = all;
    const key = env.randomBytes(32);
    const node = topicNode(env, '200.9.9.9', { key });
    admit(topicNode(env, ipOf(0)), 0, topicOf(7));
    for (let i = 0; i < 3; i++) admit(topicNode(env, ipOf(9_000 * (i + 1))), 0, topicOf(i));
    const { ticket, waitMs } = wait(node, 10);
    const opensAt = 10 + waitMs;
    const kindWith = (given: Uint8Array, now = opensAt, from = node, topic = topicOf(0)): string =>
      ask(from, now, { ticket: given, topic }).kind;
    return { ...all, node, key, ticket, opensAt, kindWith };
  }

  it('but is, in its window, from its beginning to its end', () => {
    const [a, b] = [pending(), pending()];
    expect(a.kindWith(a.ticket)).toBe('admitted');
    expect(b.kindWith(b.ticket, b.opensAt + DELTA)).toBe('admitted');
  });

  it('too early or too late', () => {
    for (const off of [-1, DELTA + 1]) {
      const { ticket, opensAt, kindWith } = pending();
      expect(kindWith(ticket, opensAt + off)).toBe('wait');
    }
  });

  it('when it is forged, cut, empty or of another registrar', () => {
    const { ticket, kindWith } = pending();
    const other = setUp();
    other.env.randomBytes(1);
    const foreign = other.wait(topicNode(other.env, '200.9.9.9'), 10).ticket;
    const flipped = ticket.slice();
    flipped[3] = (flipped[3] ?? 0) ^ 1;
    for (const given of [flipped, ticket.slice(1), EMPTY, foreign]) expect(kindWith(given)).toBe('wait');
    expect(kindWith(ticket)).toBe('admitted');
  });

  it('for another topic, another record of the node, or another node at the same address', () => {
    const { env, key, node, ticket, opensAt, kindWith } = pending();
    expect(kindWith(ticket, opensAt, node, topicOf(1))).toBe('wait');
    expect(kindWith(ticket, opensAt, topicNode(env, '200.9.9.9', { key, seq: 2n }))).toBe('wait');
    expect(kindWith(ticket, opensAt, topicNode(env, '200.9.9.9'))).toBe('wait');
    expect(kindWith(ticket)).toBe('admitted');
  });

  it('when it is an older one: its window has gone by', () => {
    const { env, node, ticket, opensAt, admit, wait, kindWith } = pending();
    // The topic and the network have become crowded, so it is told to wait once more.
    for (let i = 0; i < 5; i++) admit(topicNode(env, `200.9.${i}.9`), 20, topicOf(20 + i));
    const second = wait(node, opensAt, { ticket });
    expect(second.waitMs).toBeGreaterThan(DELTA);
    expect(kindWith(ticket, opensAt + second.waitMs)).toBe('wait');
  });

  it('when the attempt has gone on for too long', () => {
    for (const [rounds, kind] of [
      [MAX_WAITED_E - 1, 'admitted'],
      [MAX_WAITED_E, 'wait'],
    ] as const) {
      const { env, ask, wait, admit } = setUp({ c: 1 });
      const node = topicNode(env, '200.9.9.9');
      let ticket = EMPTY;
      let now = 0;
      for (let i = 0; i < rounds; i++) {
        // The only place is taken by one after another, in whose way nobody from elsewhere stands.
        expect(admit(topicNode(env, '10.0.0.1'), now, topicOf(i + 1))).toBe(now + 1);
        ({ ticket } = wait(node, now + 1, { ticket }));
        now += E + 1;
      }
      // It would be let in at once if it had waited enough.
      expect(ask(node, now, { ticket }).kind).toBe(kind);
    }
  });
});

describe('asking again and again', () => {
  it('never brings the time nearer at which one may come', () => {
    const { env, admit, wait } = setUp();
    const node = topicNode(env, '200.9.9.9');
    for (let i = 0; i < 9; i++) admit(topicNode(env, ipOf(4_000 * i)), 1_000 * i, topicOf(i % 3));
    let readyAt = 0;
    let fresh = 0;
    for (let now = 10_000; now < E + 60_000; now += 5_000) {
      const at = now + wait(node, now).waitMs;
      expect(at).toBeGreaterThanOrEqual(readyAt);
      if (at > readyAt) fresh++;
      readyAt = at;
    }
    expect(fresh).toBeGreaterThan(0);
  });
});

describe('who is refused', () => {
  it('is a node with the record of another one', () => {
    const { env, registrar } = setUp();
    const [a, b] = [topicNode(env, '9.9.9.9'), topicNode(env, '9.9.9.9')];
    expect(
      registrar.register({
        topic: topicOf(0),
        record: a.record,
        ticket: EMPTY,
        sender: { id: b.id, ip: '9.9.9.9' },
        now: 0,
      }),
    ).toEqual({ kind: 'refused', reason: 'other-node' });
  });

  it('is a node whose record does not name the address that it writes from', () => {
    const { env, ask } = setUp();
    expect(ask(topicNode(env, '8.8.8.8'), 0, { ip: '9.9.9.9' })).toEqual({
      kind: 'refused',
      reason: 'other-address',
    });
    expect(ask(topicNode(env, '8.8.8.8'), 0, { ip: '2600::1' }).kind).toBe('refused');
    expect(ask(topicNode(env, '8.8.8.8'), 0, { ip: 'nonsense' }).kind).toBe('refused');
    expect(ask(topicNode(env, '8.8.8.8'), 0, { ip: '::ffff:8.8.8.8' }).kind).toBe('wait');
  });

  it('is nobody who has two addresses and writes from either, and only that one counts', () => {
    const { env, ask, admit } = setUp();
    const both = signRecord(env.randomBytes(32), {
      seq: 1n,
      entries: { ip: '8.8.8.8', udp: 1, ip6: '2600::1', udp6: 2, ng: 1 },
    });
    const node: RecordedNode = { ...topicNode(env, '8.8.8.8'), id: both.nodeId, record: both };
    expect(ask(node, 0, { ip: '2600::1' }).kind).toBe('wait');
    expect(ask(node, 0, { ip: '2600::2' }).kind).toBe('refused');
    // From 8.8.8.8: an advertisement of one with an address like the other is not in its way.
    admit(topicNode(env, '2600::1'), 0, topicOf(1));
    expect(ask(node, 10).kind === 'wait' && ask(node, 10)).toMatchObject({ waitMs: 1 });
  });

  it('is a topic that is none, with an error of the caller', () => {
    const { env, registrar, ask } = setUp();
    expect(codeOf(() => ask(topicNode(env, '9.9.9.9'), 0, { topic: new Uint8Array(31) }))).toBe(
      'invalid-argument',
    );
    expect(codeOf(() => registrar.query(new Uint8Array(33), 0))).toBe('invalid-argument');
  });
});

describe('a flood', () => {
  it('of topics from one address leaves most of the cache to others, and they wait for less', () => {
    const { env, registrar, ask } = setUp({ c: 200 });
    const attacker = topicNode(env, '6.6.6.6');
    let pending = Array.from({ length: 600 }, (_, i) => ({ topic: topicOf(i), ticket: EMPTY, at: 0 }));
    for (let now = 0; now <= 4 * E; now += 30_000) {
      pending = pending.map((each) => {
        if (each.at > now) return each;
        // The window is 10 s, so who comes only every 30 s is let off: it comes just in time.
        const outcome = ask(attacker, each.at, each);
        if (outcome.kind !== 'wait') return { ...each, ticket: EMPTY, at: each.at + E };
        return { ...each, ticket: outcome.ticket, at: each.at + outcome.waitMs };
      });
      expect(registrar.stats.ads).toBeLessThanOrEqual(200 * HOST_ADS_SHARE);
    }
    expect(registrar.stats.ads).toBeGreaterThan(0);
    const outcome = ask(topicNode(env, '200.1.1.1'), 4 * E, { topic: topicOf(9_999) });
    expect(outcome.kind === 'wait' && outcome.waitMs).toBeLessThan(E / 2);
  }, 60_000);

  /** The most advertisements that are there at once, in 6 E in which all come back when they are told to. */
  function mostAds(
    { registrar, ask }: Pick<ReturnType<typeof setUp>, 'registrar' | 'ask'>,
    asking: readonly { readonly node: RecordedNode; readonly topic: Uint8Array }[],
  ): number {
    const pending = asking.map((each) => ({ ...each, ticket: EMPTY, at: 0 }));
    let most = 0;
    for (let now = 0; now < 6 * E; now += 5_000) {
      for (const each of pending) {
        if (each.at > now) continue;
        const outcome = ask(each.node, now, each);
        each.ticket = outcome.kind === 'wait' ? outcome.ticket : EMPTY;
        each.at = now + (outcome.kind === 'wait' ? outcome.waitMs : E / 2 + 5_000);
      }
      most = Math.max(most, registrar.stats.ads);
    }
    return most;
  }

  it('of topics from one address has two places in a cache of ten, too', () => {
    const { env, registrar, ask } = setUp({ c: 10 });
    const node = topicNode(env, '6.6.6.6');
    const asking = Array.from({ length: 5 }, (_, i) => ({ node, topic: topicOf(i) }));
    expect(mostAds({ registrar, ask }, asking)).toBe(NETWORK_ADS_PER_TOPIC);
  });

  it.each([
    ['one network', 'two', NETWORK_ADS_PER_TOPIC, (i: number) => `6.6.6.${i}`],
    ['an IPv6 /32', 'ten', WIDE_NETWORK_ADS_PER_TOPIC, (i: number) => `2a0f:1:${i}::1`],
  ])('of nodes of %s for a topic gets no more than %s places there', (_, _count, places, ipOfNode) => {
    const { env, registrar, ask } = setUp({ c: C });
    const topic = topicOf(0);
    const asking = Array.from({ length: 15 }, (__, i) => ({ node: topicNode(env, ipOfNode(i + 1)), topic }));
    expect(mostAds({ registrar, ask }, asking)).toBe(places);
  });
});

describe('nodes of one network', () => {
  /** All come back in time for ever, and renew as soon as they may. Gives how long each was in the cache, in E. */
  function shares(ips: readonly string[], lasts: number, lateMs = 200): number[] {
    const { env, registrar, ask } = setUp({ c: C });
    for (let i = 0; i < 20; i++) keep(topicNode(env, ipOf(300 * i)), topicOf(i + 1), 100 * i);
    const nodes = ips.map((ip) => topicNode(env, ip));
    for (const [i, node] of nodes.entries()) keep(node, topicOf(0), 10_000 + i * 1_000);
    const counts = new Map(nodes.map(({ record }) => [record, 0]));
    for (let now = 0; now < lasts * E; now += E / 20) {
      env.advance(E / 20);
      for (const record of registrar.query(topicOf(0), env.now())) {
        counts.set(record, (counts.get(record) ?? 0) + 1 / 20);
      }
    }
    return [...counts.values()];

    function keep(node: RecordedNode, topic: Uint8Array, from: number): void {
      let ticket = EMPTY;
      const next = (): void => {
        const outcome = ask(node, env.now(), { topic, ticket });
        if (outcome.kind === 'refused') throw new Error(outcome.reason);
        ticket = outcome.kind === 'wait' ? outcome.ticket : EMPTY;
        const ms = outcome.kind === 'wait' ? outcome.waitMs : outcome.lifetimeMs * (EARLIEST_RENEWAL + 0.01);
        env.setTimer(ms + lateMs, next);
      };
      env.setTimer(from, next);
    }
  }

  it('take turns where there are more of them than places', () => {
    const lasts = 40;
    const three = shares(['203.7.7.1', '203.7.7.200', '203.7.7.100'], lasts);
    const seven = shares(
      Array.from({ length: 7 }, (_, i) => `203.7.7.${i + 1}`),
      lasts,
    );
    console.log(JSON.stringify({ three, seven }));
    for (const share of three) expect(share).toBeGreaterThan((lasts * 2) / 3 / 3);
    for (const share of seven) expect(share).toBeGreaterThan((lasts * 2) / 7 / 3);
    for (const all of [three, seven]) {
      expect(all.reduce((a, b) => a + b)).toBeLessThanOrEqual(lasts * NETWORK_ADS_PER_TOPIC);
    }
  });

  it('keep their places for ever while there are no others', () => {
    const lasts = 20;
    for (const share of shares(['203.7.7.1', '203.7.7.200'], lasts)) expect(share).toBeGreaterThan(lasts - 5);
  });
});
