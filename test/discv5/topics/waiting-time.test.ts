import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseIp } from '../../../src/base/ip.ts';
import { DEPARTED_PER_AD, E, IPV6_LEVELS, topicParameters } from '../../../src/discv5/topics/parameters.ts';
import { type Placed, WaitingTimes } from '../../../src/discv5/topics/waiting-time.ts';
import { runs } from '../../support/runs.ts';

const at = (topic: string, ip: string): Placed => ({ topic, address: parseIp(ip) ?? new Uint8Array(4) });
/** Addresses that have nothing in common with 9.9.9.9 but being IPv4. */
const far = (n: number): string => `${128 + (n & 63)}.${(n >> 6) & 255}.1.1`;
const ad = fc.record({
  topic: fc.constantFrom('a', 'b', 'c'),
  address: fc.oneof(
    fc
      .tuple(fc.constantFrom(9, 180), fc.constantFrom(9, 128), fc.nat(3), fc.nat(3))
      .map((a) => Uint8Array.from(a)),
    fc.constantFrom('2600::1', '2600:1::1', '127.0.0.1').map((text) => parseIp(text) ?? new Uint8Array(4)),
  ),
});

describe('the waiting time', () => {
  it('is the safety constant alone in an empty cache', () => {
    expect(new WaitingTimes(topicParameters()).current(at('a', '9.9.9.9'))).toBeCloseTo(E * 1e-7, 12);
  });

  it('is what the formula of the text gives', () => {
    const waiting = new WaitingTimes(topicParameters({ c: 100 }));
    for (let i = 0; i < 30; i++) waiting.add(at(i < 6 ? 'a' : `${i}`, far(i)));
    // All others begin with the bit 1, and nothing begins with 0.
    expect(waiting.current(at('a', '9.9.9.9'))).toBeCloseTo(E * 0.7 ** -10 * (6 / 30 + 0 + 1e-7), 6);
    waiting.add(at('z', '9.9.9.8'));
    // Of the 31 prefixes in common, those that are rarer than in a balanced tree of 31 do not count.
    const score = 31 - 4;
    expect(waiting.current(at('y', '9.9.9.9'))).toBeCloseTo(E * 0.69 ** -10 * (score / 32 + 1e-7), 4);
  });

  it('grows with occupancy', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 98 }), (count) => {
        const waiting = new WaitingTimes(topicParameters({ c: 100 }));
        for (let i = 0; i < count; i++) waiting.add(at('a', far(i)));
        const before = waiting.current(at('a', '9.9.9.9'));
        waiting.add(at('a', far(count)));
        expect(waiting.current(at('a', '9.9.9.9'))).toBeGreaterThan(before);
      }),
    );
  });

  it('has no end when the cache is full', () => {
    const waiting = new WaitingTimes(topicParameters({ c: 3 }));
    for (let i = 0; i < 3; i++) waiting.add(at('a', far(i)));
    expect(waiting.current(at('b', '9.9.9.9'))).toBe(Number.POSITIVE_INFINITY);
  });

  it('is longer for a topic that has much of the cache, and for a network that has', () => {
    const waiting = new WaitingTimes(topicParameters());
    for (let i = 0; i < 20; i++) waiting.add(at(i < 10 ? 'a' : `${i}`, far(i)));
    for (let i = 1; i < 5; i++) waiting.add(at(`x${i}`, `9.9.9.${i}`));
    const rare = waiting.current(at('b', '70.1.1.1'));
    expect(waiting.current(at('a', '70.1.1.1'))).toBeGreaterThan(2 * rare);
    expect(waiting.current(at('b', '9.9.9.9'))).toBeGreaterThan(2 * rare);
  });

  it('does not count the same advertisement that is cached', () => {
    const waiting = new WaitingTimes(topicParameters());
    const own = at('a', '9.9.9.9');
    waiting.add(own);
    expect(waiting.current(own)).toBeGreaterThan(E);
    expect(waiting.current(own, own)).toBeCloseTo(E * 1e-7, 12);
  });

  it('looks at the network of an IPv6 address, not at what its owner chooses', () => {
    const waiting = new WaitingTimes(topicParameters());
    waiting.add(at('a', '2600:1:2:3::1'));
    expect(waiting.current(at('b', '2600:1:2:3:ffff::1'))).toBeCloseTo(E * (1 - 1e-3) ** -10, -2);
    const { vertices } = waiting.stats;
    expect(vertices).toBe(IPV6_LEVELS);
    waiting.add(at('a', '9.9.9.9'));
    expect(waiting.current(at('b', '9.9.9.9'))).toBeCloseTo(E * (1 - 2e-3) ** -10, -2);
  });

  it('has no score of addresses of local networks', () => {
    const waiting = new WaitingTimes(topicParameters());
    for (const ip of ['127.0.0.1', '10.0.0.1', '::1']) waiting.add(at('a', ip));
    expect(waiting.stats.vertices).toBe(0);
    expect(waiting.current(at('b', '127.0.0.1'))).toBeLessThan(1);
  });
});

describe('the lower bound', () => {
  type Step =
    | { readonly kind: 'add' | 'remove' | 'ask'; readonly ad: Placed }
    | { readonly kind: 'wait'; readonly ms: number };
  const step: fc.Arbitrary<Step> = fc.oneof(
    {
      weight: 3,
      arbitrary: fc.record({ kind: fc.constantFrom('add' as const, 'remove' as const, 'ask' as const), ad }),
    },
    fc.record({ kind: fc.constant('wait' as const), ms: fc.nat(400_000) }),
  );

  it('what is told is never better than what was told before, less the time that has passed', () => {
    const parameters = topicParameters({ c: 12 });
    let lower = 0;
    fc.assert(
      fc.property(fc.array(step, { minLength: 10, maxLength: 80 }), ad, (steps, asked) => {
        const waiting = new WaitingTimes(parameters);
        const cached: Placed[] = [];
        let now = 0;
        let readyAt = Number.NEGATIVE_INFINITY;
        const ask = (): void => {
          const told = Math.min(waiting.bounded(asked, undefined, now), E);
          if (waiting.current(asked) < readyAt - now - 1) lower++;
          expect(now + told).toBeGreaterThanOrEqual(readyAt - 1e-3);
          readyAt = Math.max(readyAt, now + told);
        };
        for (const each of steps) {
          ask();
          if (each.kind === 'wait') now += each.ms;
          else if (each.kind === 'ask') waiting.bounded(each.ad, undefined, now);
          else if (each.kind === 'add' && cached.length < parameters.c) {
            cached.push(each.ad);
            waiting.add(each.ad);
          } else {
            const gone = cached.shift();
            if (gone !== undefined) waiting.remove(gone);
          }
        }
        ask();
      }),
      { numRuns: runs(300) },
    );
    // Without the bound it often would have been.
    expect(lower).toBeGreaterThan(100);
  });

  it('does not hold up who has waited: at the end of what was told it is over, if nothing has changed', () => {
    const waiting = new WaitingTimes(topicParameters());
    waiting.add(at('a', far(1)));
    waiting.add(at('b', far(2)));
    const told = waiting.bounded(at('a', '9.9.9.9'), undefined, 0);
    expect(waiting.current(at('a', '9.9.9.9'))).toBeLessThanOrEqual(told);
  });

  it('of a renewal is for its own advertisement alone, whatever others were told', () => {
    const waiting = new WaitingTimes(topicParameters());
    const own = at('a', '9.9.9.9');
    waiting.add(own);
    // One that asks for the topic, and another topic of the same address: neither comes back.
    for (const other of [at('a', far(1)), at('b', '9.9.9.9')]) {
      expect(waiting.bounded(other, undefined, 0)).toBeGreaterThan(E / 2);
    }
    expect(waiting.bounded(own, own, 1)).toBeLessThan(1);
    const others = [at('a', far(2)), at('b', far(3))];
    for (const other of others) waiting.add(other);
    const told = waiting.bounded(own, own, 2);
    expect(told).toBeGreaterThan(E / 4);
    for (const other of others) waiting.remove(other);
    expect(waiting.current(own, own)).toBeLessThan(1);
    expect(waiting.bounded(own, own, 1_002)).toBeCloseTo(told - 1_000, 6);
    // Nothing is left of it with the advertisement.
    waiting.remove(own);
    waiting.add(own);
    expect(waiting.bounded(own, own, 1_003)).toBeLessThan(1);
  });

  it('of a topic outlives it, and is there again when it comes back', () => {
    const waiting = new WaitingTimes(topicParameters());
    const own = at('a', far(1));
    for (const each of [own, at('b', far(2))]) waiting.add(each);
    const told = waiting.bounded(at('a', '127.0.0.1'), undefined, 0);
    expect(told).toBeGreaterThan(E / 2);
    waiting.remove(own);
    expect(waiting.bounded(at('a', '127.0.0.1'), undefined, 0)).toBeCloseTo(told, 1);
    for (let i = 3; i < 20; i++) waiting.add(at('b', far(i)));
    waiting.add(own);
    expect(waiting.current(at('a', '127.0.0.1'))).toBeLessThan(told / 5);
    expect(waiting.bounded(at('a', '127.0.0.1'), undefined, 0)).toBeCloseTo(told, 1);
  });

  it('is over some time after the cache was full', () => {
    const waiting = new WaitingTimes(topicParameters({ c: 2 }));
    const cached = [at('a', far(1)), at('a', far(2))];
    for (const each of cached) waiting.add(each);
    expect(waiting.bounded(at('a', '9.9.9.9'), undefined, 0)).toBe(Number.POSITIVE_INFINITY);
    for (const each of cached) waiting.remove(each);
    expect(waiting.bounded(at('a', '9.9.9.9'), undefined, 1)).toBeCloseTo(2 * E, -1);
    expect(waiting.bounded(at('a', '9.9.9.9'), undefined, 2 * E)).toBeLessThan(1);
  });
});

describe('what is kept', () => {
  it('is bounded by the cache, whatever topics and addresses come and go', () => {
    const parameters = topicParameters({ c: 10 });
    const waiting = new WaitingTimes(parameters);
    const cached: Placed[] = [];
    for (let i = 0; i < 5_000; i++) {
      const each = at(`topic ${i}`, far(i));
      waiting.bounded(each, undefined, i);
      if (cached.length === 10) waiting.remove(cached.shift() ?? each);
      waiting.add(each);
      cached.push(each);
      waiting.bounded(each, undefined, i);
    }
    const { ads, services, departed, vertices } = waiting.stats;
    expect([ads, services, departed]).toEqual([10, 10, DEPARTED_PER_AD * 10]);
    expect(vertices).toBeLessThanOrEqual(320);
    for (const each of cached) waiting.remove(each);
    expect(waiting.stats).toMatchObject({ ads: 0, services: 0, vertices: 0 });
  });
});
