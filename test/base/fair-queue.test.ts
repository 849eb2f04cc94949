import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FairQueue } from '../../src/base/fair-queue.ts';

interface Item {
  readonly owner: string;
  readonly serial: number;
}

/** Puts in one of each owner as far as there is room; returns how many had. */
function fill(queue: FairQueue<Item>, owners: readonly string[]): number {
  let taken = 0;
  for (const [serial, owner] of owners.entries()) {
    if (!queue.hasRoom(owner)) continue;
    queue.push(owner, { owner, serial });
    taken++;
  }
  return taken;
}
const times = (count: number, owner: string) => Array.from({ length: count }, () => owner);
const text = (items: readonly Item[]) => items.map(({ owner, serial }) => `${owner}${serial}`).join(' ');

describe('a fair queue', () => {
  it('gives all in the order in which they came, when that is what is wanted', () => {
    const queue = new FairQueue<Item>(100);
    fill(queue, ['a', 'a', 'b', 'a', 'c', 'b']);
    expect(queue.oldest).toEqual({ owner: 'a', serial: 0 });
    expect(text(queue.take(6))).toBe('a0 a1 b2 a3 c4 b5');
    expect([queue.size, queue.oldest, queue.take(6)]).toEqual([0, undefined, []]);
  });

  it('else one of each in turn, and goes on with whose turn is next', () => {
    const queue = new FairQueue<Item>(100);
    fill(queue, ['a', 'a', 'a', 'b', 'c', 'b', 'a']);
    expect(text(queue.take(4))).toBe('a0 b3 c4 a1');
    expect(queue.oldest).toEqual({ owner: 'a', serial: 2 });
    expect(text(queue.take(2))).toBe('b5 a2');
    expect(text(queue.take(0))).toBe('');
    expect(text(queue.take(1))).toBe('a6');
  });

  it('gives one owner a quarter of its places, two a fifth each, ten a thirteenth', () => {
    for (const [owners, share] of [
      [1, 4],
      [2, 5],
      [10, 13],
    ] as const) {
      const queue = new FairQueue<Item>(1_300);
      for (let round = 0; round < 1_000; round++) {
        for (let owner = 0; owner < owners; owner++) fill(queue, times(40, `${owner}`));
        queue.take(8);
      }
      expect((1_300 * owners) / queue.size).toBeCloseTo(share, 0);
    }
  });

  it('holds no more than its capacity, and loses nothing: of each owner all come, in order', () => {
    const step = fc.oneof(
      fc.array(fc.constantFrom('a', 'b', 'c', 'd', 'e'), { maxLength: 30 }),
      fc.integer({ min: 0, max: 20 }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const queue = new FairQueue<Item>(24);
        const [put, got] = [new Map<string, number[]>(), new Map<string, number[]>()];
        let serial = 0;
        const take = (max: number) => {
          const before = queue.size;
          const items = queue.take(max);
          expect(items).toHaveLength(Math.min(max, before));
          for (const { owner, serial } of items) got.set(owner, [...(got.get(owner) ?? []), serial]);
        };
        for (const one of steps) {
          if (typeof one === 'number') take(one);
          else {
            for (const owner of one) {
              if (!queue.hasRoom(owner)) continue;
              put.set(owner, [...(put.get(owner) ?? []), serial]);
              queue.push(owner, { owner, serial: serial++ });
            }
          }
          expect(queue.size).toBeLessThanOrEqual(24);
        }
        while (queue.size > 0) take(5);
        expect(Object.fromEntries(got)).toEqual(Object.fromEntries(put));
      }),
    );
  });
});
