import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FairRate } from '../../src/base/fair-rate.ts';
import { runs } from '../support/runs.ts';

const RATE = { perSecond: 1_000, burst: 100 };

/** How much each has had after `ms`, where each takes its amount every millisecond, if it may. */
function shares(
  rate: FairRate,
  wanted: Record<string, number>,
  ms: number,
  group = 'all',
): Record<string, number> {
  const had: Record<string, number> = Object.fromEntries(Object.keys(wanted).map((owner) => [owner, 0]));
  const open: Record<string, number> = { ...had };
  for (let now = 0; now < ms; now++) {
    for (const [owner, perMs] of Object.entries(wanted)) {
      for (
        open[owner] = (open[owner] ?? 0) + perMs;
        (open[owner] ?? 0) >= 1;
        open[owner] = (open[owner] ?? 0) - 1
      ) {
        if (!rate.hasRoom(owner, group, now)) continue;
        rate.take(owner, group, 1, now);
        had[owner] = (had[owner] ?? 0) + 1;
      }
    }
  }
  return had;
}

describe('a fair rate', () => {
  it('gives one owner alone half, and ten that take without end almost all, in equal parts', () => {
    const alone = shares(new FairRate(RATE, 100), { a: 20 }, 3_000);
    expect(alone.a).toBeGreaterThan(1_400);
    expect(alone.a).toBeLessThan(1_600);
    const names = Array.from({ length: 10 }, (_, i) => `${i}`);
    const ten = Object.values(
      shares(new FairRate(RATE, 100), Object.fromEntries(names.map((name) => [name, 5])), 3_000),
    );
    const all = ten.reduce((sum, one) => sum + one, 0);
    expect(all).toBeGreaterThan(2_500);
    expect(all).toBeLessThan(3_000 + RATE.burst);
    expect(Math.max(...ten) / Math.min(...ten)).toBeLessThan(1.2);
  });

  it('gives all that it wants to who wants less than those that take without end', () => {
    const heavy = Object.fromEntries(Array.from({ length: 10 }, (_, i) => [`${i}`, 5]));
    const had = shares(new FairRate(RATE, 100), { ...heavy, light: 0.02 }, 3_000);
    expect(had.light).toBe(60);
  });

  it('gives an owner of many parts what others have, and shares that among the parts', () => {
    const rate = new FairRate(RATE, 1_000);
    const asking = [
      ...Array.from({ length: 10 }, (_, i) => ({ owner: 'wide', part: `wide ${i}`, perMs: 1 })),
      { owner: 'wide', part: 'wide light', perMs: 0.01 },
      { owner: 'narrow', part: undefined, perMs: 0.3 },
    ];
    const had = asking.map(() => 0);
    for (let now = 0; now < 3_000; now++) {
      for (const [i, { owner, part, perMs }] of asking.entries()) {
        const wants = Math.floor(now * perMs) > Math.floor((now - 1) * perMs);
        if (!wants || !rate.hasRoom(owner, 'all', now, part)) continue;
        rate.take(owner, 'all', 1, now, part);
        had[i] = (had[i] ?? 0) + 1;
      }
    }
    const [light, narrow] = had.slice(-2);
    expect([light, narrow]).toEqual([30, 900]);
    const wide = had.slice(0, 10).reduce((sum, one) => sum + one, 0);
    expect(wide).toBeGreaterThan(800);
    expect(wide).toBeLessThan(1_100 + RATE.burst);
  });

  it('keeps one part from what its owner has for the others', () => {
    const rate = new FairRate(RATE, 100);
    let [greedy, shed] = [0, 0];
    for (let now = 0; now < 3_000; now++) {
      for (let i = 0; i < 5; i++) {
        if (!rate.hasRoom('wide', 'all', now, 'wide greedy')) continue;
        rate.take('wide', 'all', 1, now, 'wide greedy');
        greedy++;
      }
      if (now % 10 > 0) continue;
      if (rate.hasRoom('wide', 'all', now, 'wide honest')) rate.take('wide', 'all', 1, now, 'wide honest');
      else shed++;
    }
    expect(shed).toBe(0);
    expect(greedy).toBeGreaterThan(500);
    expect(greedy).toBeLessThan(800);
  });

  it('lets groups be, and owners who were forgotten begin anew', () => {
    const rate = new FairRate(RATE, 10);
    rate.take('a', 'one', 1_000, 0);
    expect([rate.hasRoom('b', 'one', 0), rate.hasRoom('b', 'two', 0)]).toEqual([false, true]);
    expect([rate.hasRoom('b', 'one', 10_000), rate.hasRoom('a', 'one', 10_000)]).toEqual([true, true]);
    for (let i = 0; i < 100; i++) rate.take(`${i}`, 'two', 1, 0);
    expect(rate.size).toBe(10);
    rate.take('late', 'two', 1, 60_000);
    expect(rate.size).toBe(1);
  });

  it('never gives more than its burst and what has faded, whoever takes how much', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(20), fc.nat(30), fc.integer({ min: 1, max: 10 })), { maxLength: 300 }),
        (takes) => {
          const rate = new FairRate(RATE, 100);
          let [now, left, at] = [0, 0, 0];
          for (const [owner, ms, amount] of takes) {
            now += ms;
            if (!rate.hasRoom(`${owner}`, '', now)) continue;
            left = left * Math.exp((at - now) / 100) + amount;
            at = now;
            rate.take(`${owner}`, '', amount, now);
            expect(left).toBeLessThan(RATE.burst + 10);
          }
        },
      ),
      { numRuns: runs(200) },
    );
  });
});
