import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { forgetOldest, setLatest } from '../../src/base/recent.ts';

describe('a map of the latest entries', () => {
  it('holds those that were set last, in that order', () => {
    const writes = fc.array(fc.tuple(fc.integer({ min: 0, max: 9 }), fc.integer()));
    fc.assert(
      fc.property(writes, fc.integer({ min: 1, max: 5 }), (entries, max) => {
        const map = new Map<number, number>();
        for (const [key, value] of entries) setLatest(map, key, value, max);
        const last = new Map(entries);
        const order = [...new Set(entries.map(([key]) => key).reverse())].slice(0, max).reverse();
        expect([...map]).toEqual(order.map((key) => [key, last.get(key)]));
      }),
    );
  });

  it('takes a set, too', () => {
    const set = new Set([3, 1, 2]);
    forgetOldest(set, 3);
    expect([...set]).toEqual([3, 1, 2]);
    forgetOldest(set, 1);
    expect([...set]).toEqual([2]);
  });
});
