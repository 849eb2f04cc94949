import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { forgetOldest, Held, setLatest } from '../../src/base/recent.ts';

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

describe('what is not to be done again for a while', () => {
  it('is held until then, unless it is released, or too many came later', () => {
    const held = new Held(3);
    const keys = ['a', 'b', 'c', 'd'];
    const at = (now: number) => keys.filter((key) => held.has(key, now));
    held.hold('a', 0, 100);
    held.hold('b', 0, 10);
    held.hold('c', 0, 100);
    expect([at(9), at(10)]).toEqual([
      ['a', 'b', 'c'],
      ['a', 'c'],
    ]);
    held.release('c');
    held.hold('d', 10, 5);
    expect([at(14), at(15), held.size]).toEqual([['a', 'd'], ['a'], 3]);
    held.hold('c', 20, 5);
    expect([at(21), held.size]).toEqual([['c'], 3]);
    held.hold('d', 200, 5);
    expect([at(201), held.size]).toEqual([['d'], 1]);
  });
});
