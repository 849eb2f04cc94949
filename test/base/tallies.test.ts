import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Tallies } from '../../src/base/tallies.ts';

const KEYS = ['a', 'b', 'c', 'd'];

describe('tallies', () => {
  it('know who has the most, as a look at all of them does', () => {
    const step = fc.record({ key: fc.constantFrom(...KEYS), isMore: fc.boolean() });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const tallies = new Tallies();
        const model = new Map<string, number>();
        for (const { key, isMore } of steps) {
          const count = (model.get(key) ?? 0) + (isMore ? 1 : -1);
          if (count > 0) model.set(key, count);
          else model.delete(key);
          if (isMore) expect(tallies.add(key).count).toBe(count);
          else tallies.remove(key);
          const most = Math.max(0, ...model.values());
          for (const one of KEYS) {
            const tally = tallies.get(one);
            expect(tally?.count).toBe(model.get(one));
            if (tally !== undefined) expect(tallies.isFirst(tally)).toBe(tally.count === most);
          }
        }
      }),
    );
  });
});
