import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EMPTY } from '../../../src/base/bytes.ts';
import { VirtualEnv } from '../../../src/base/virtual-env.ts';
import { type Ad, AdCache } from '../../../src/discv5/topics/ad-cache.ts';
import { NodeRecord } from '../../../src/enr/index.ts';
import { runs } from '../../support/runs.ts';

const record = new NodeRecord(EMPTY, 1n, new Uint8Array(64));
const ad = (topic: string, advertiser: string, expiresAt: number): Ad => ({
  topic,
  advertiser,
  record,
  address: Uint8Array.of(9, 9, 9, 9),
  ip: '9.9.9.9',
  networks: undefined,
  expiresAt,
});

describe('the ad cache', () => {
  it('has one advertisement of an advertiser for a topic, and no more than its capacity', () => {
    const cache = new AdCache(2);
    expect(cache.add(ad('a', '1', 10))).toBe(true);
    expect(cache.add(ad('a', '1', 11))).toBe(false);
    expect(cache.add(ad('b', '1', 12))).toBe(true);
    expect(cache.add(ad('b', '2', 13))).toBe(false);
    expect([cache.size, cache.topics]).toEqual([2, 2]);
  });

  it('forgets each when its time is over', () => {
    const cache = new AdCache(9);
    for (let i = 1; i < 6; i++) cache.add(ad(i < 3 ? 'a' : 'b', `${i}`, 10 * i));
    expect(cache.expire(9.9)).toEqual([]);
    expect(cache.expire(20).map(({ advertiser }) => advertiser)).toEqual(['1', '2']);
    expect([cache.size, cache.topics]).toEqual([3, 1]);
    expect(cache.expire(1_000)).toHaveLength(3);
    expect([cache.size, cache.topics]).toEqual([0, 0]);
  });

  it('is what a list of all that was added and has not gone would be', () => {
    const step = fc.record({
      kind: fc.constantFrom('add' as const, 'add' as const, 'remove' as const, 'expire' as const),
      topic: fc.constantFrom('a', 'b', 'c'),
      advertiser: fc.constantFrom('1', '2', '3', '4'),
      ms: fc.nat(30),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const cache = new AdCache(6);
        let model: Ad[] = [];
        let now = 0;
        for (const { kind, topic, advertiser, ms } of steps) {
          const known = model.find((each) => each.topic === topic && each.advertiser === advertiser);
          expect(cache.get(topic, advertiser)).toBe(known);
          if (kind === 'add') {
            const fresh = ad(topic, advertiser, now + 100);
            const fits = known === undefined && model.length < 6;
            expect(cache.add(fresh)).toBe(fits);
            if (fits) model.push(fresh);
          } else if (kind === 'remove') {
            if (known !== undefined) cache.remove(known);
            model = model.filter((each) => each !== known);
          } else {
            now += ms;
            expect(cache.expire(now)).toEqual(model.filter(({ expiresAt }) => expiresAt <= now));
            model = model.filter(({ expiresAt }) => expiresAt > now);
          }
          expect(cache.size).toBe(model.length);
          expect(cache.topics).toBe(new Set(model.map((each) => each.topic)).size);
        }
      }),
      { numRuns: runs(200) },
    );
  });
});

describe('a sample', () => {
  const env = new VirtualEnv({ seed: 3 });
  const randomBytes = (length: number): Uint8Array => env.randomBytes(length);
  const namesOf = (cache: AdCache): string[] =>
    cache.sample('a', 10, randomBytes).map(({ advertiser }) => advertiser);

  it('is of the topic, and all there are if they are few', () => {
    const cache = new AdCache(100);
    for (let i = 0; i < 8; i++) cache.add(ad(i < 4 ? 'a' : 'b', `${i}`, 100));
    expect(namesOf(cache).sort()).toEqual(['0', '1', '2', '3']);
    expect(cache.sample('z', 10, randomBytes)).toEqual([]);
  });

  it('is of those that are wanted, and as large where there are enough of them', () => {
    const cache = new AdCache(100);
    for (let i = 0; i < 60; i++) cache.add(ad('a', `${i}`, 100));
    const isEven = ({ advertiser }: Ad): boolean => Number(advertiser) % 2 === 0;
    const sample = cache.sample('a', 10, randomBytes, isEven);
    expect(sample.filter(isEven)).toHaveLength(10);
    expect(cache.sample('a', 40, randomBytes, isEven)).toHaveLength(30);
  });

  it('has each as often as any other', () => {
    const cache = new AdCache(100);
    for (let i = 0; i < 40; i++) cache.add(ad('a', `${i}`, 100));
    const counts = new Map<string, number>();
    for (let i = 0; i < 2_000; i++) {
      const names = namesOf(cache);
      expect(new Set(names).size).toBe(10);
      for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
    }
    // 500 each; the deviation is about 19.
    expect(counts.size).toBe(40);
    expect(Math.min(...counts.values())).toBeGreaterThan(390);
    expect(Math.max(...counts.values())).toBeLessThan(610);
  });
});
