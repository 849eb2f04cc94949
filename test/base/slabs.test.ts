import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Slab, Slabs } from '../../src/base/slabs.ts';
import { runs } from '../support/runs.ts';

describe('slabs', () => {
  it('are used again when all have let them go, and not before', () => {
    const slabs = new Slabs();
    const first = slabs.take(100_000);
    first.hold();
    first.release();
    const second = slabs.take(100_000);
    expect(second === first).toBe(false);
    first.release();
    expect(slabs.take(200_000) === first).toBe(true);
  });

  it('that are large are not kept, nor more than a few', () => {
    const slabs = new Slabs();
    const large = slabs.take(5_000_000);
    large.release();
    expect(slabs.take(5_000_000) === large).toBe(false);
    const many = Array.from({ length: 5 }, () => slabs.take(1));
    for (const slab of many) slab.release();
    const again = Array.from({ length: 5 }, () => slabs.take(1));
    expect(again.filter((slab) => many.includes(slab))).toHaveLength(2);
  });

  it('say when too many are with somebody to be held on to', () => {
    const slabs = new Slabs();
    const lent = Array.from({ length: 4 }, () => slabs.take(1));
    expect(lent[0]?.mayLinger).toBe(true);
    const fifth = slabs.take(1);
    expect([lent[0]?.mayLinger, fifth.mayLinger]).toEqual([false, false]);
    fifth.release();
    expect(lent[0]?.mayLinger).toBe(true);
  });

  it('never lie in two hands', () => {
    const steps = fc.array(fc.oneof(fc.integer({ min: 1, max: 3_000_000 }), fc.constant(0)), {
      maxLength: 60,
    });
    fc.assert(
      fc.property(steps, fc.array(fc.nat(100)), (wanted, order) => {
        const slabs = new Slabs();
        const held: Slab[] = [];
        for (const [i, length] of wanted.entries()) {
          if (length === 0) {
            held.splice((order[i] ?? 0) % Math.max(1, held.length), 1)[0]?.release();
            continue;
          }
          const slab = slabs.take(length);
          expect(slab.bytes.length).toBeGreaterThanOrEqual(length);
          expect(held.includes(slab)).toBe(false);
          held.push(slab);
        }
      }),
      { numRuns: runs(40) },
    );
  });
});
