import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { giveBackMemory, takeMemory } from '../../src/rlpx/body-memory.ts';
import { runs } from '../support/runs.ts';

const KiB = 1024;

describe('the memory of bodies', () => {
  it('is used again for one that fits, and is not much too large', () => {
    const first = takeMemory(130 * KiB);
    giveBackMemory(first);
    expect(takeMemory(20 * KiB).buffer).not.toBe(first.buffer);
    const second = takeMemory(129 * KiB);
    expect(second.buffer).toBe(first.buffer);
    expect(second).toHaveLength(129 * KiB);
    expect(takeMemory(129 * KiB).buffer).not.toBe(first.buffer);
  });

  it('is kept up to 2 MiB, and goes when it is of no use', () => {
    const lots = Array.from({ length: 40 }, () => takeMemory(100 * KiB));
    for (const memory of lots) giveBackMemory(memory);
    const buffers = new Set(lots.map(({ buffer }) => buffer));
    const again = Array.from({ length: 40 }, () => takeMemory(100 * KiB));
    expect(again.filter(({ buffer }) => buffers.has(buffer))).toHaveLength(Math.floor(2048 / 112));
    const huge = takeMemory(3000 * KiB);
    giveBackMemory(huge);
    expect(takeMemory(3000 * KiB).buffer).not.toBe(huge.buffer);
  });

  it('is with one at a time, as long as was asked for, and less than twice as large', () => {
    const step = fc.record({ length: fc.integer({ min: 1, max: 2500 * KiB }), back: fc.nat() });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const held: Uint8Array[] = [];
        for (const { length, back } of steps) {
          const memory = takeMemory(length);
          expect(memory).toHaveLength(length);
          expect(memory.buffer.byteLength).toBeLessThan(2 * length + 32 * KiB);
          expect(held.some(({ buffer }) => buffer === memory.buffer)).toBe(false);
          held.push(memory);
          if (back % 3 !== 0) for (const one of held.splice(back % held.length, 1)) giveBackMemory(one);
        }
      }),
      { numRuns: runs(50) },
    );
  });
});
