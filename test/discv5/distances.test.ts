import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { lookupDistances } from '../../src/discv5/index.ts';

const ids = () => fc.uint8Array({ minLength: 32, maxLength: 32 });
/** An id at a log-distance of so many from that of zeros. */
function at(distance: number): Uint8Array {
  const id = new Uint8Array(32);
  id[31 - ((distance - 1) >> 3)] = 1 << ((distance - 1) & 7);
  return id;
}

describe('the distances that a lookup asks for', () => {
  it('are that of the target and those beside it, the nearest first', () => {
    const zero = new Uint8Array(32);
    expect(lookupDistances(zero, at(200))).toEqual([200, 201, 199]);
    expect(lookupDistances(zero, at(256))).toEqual([256, 255, 254]);
    expect(lookupDistances(zero, at(1))).toEqual([1, 2, 3]);
  });

  it('are more where few nodes are known, so that none of a small network is passed over for long', () => {
    const asked = lookupDistances(new Uint8Array(32), at(256), 15);
    expect(asked).toEqual(Array.from({ length: 16 }, (_, i) => 256 - i));
    expect(lookupDistances(new Uint8Array(32), at(250), 0).toSorted((a, b) => a - b)).toEqual(
      Array.from({ length: 16 }, (_, i) => 241 + i),
    );
    expect(lookupDistances(new Uint8Array(32), at(256), 16)).toHaveLength(3);
  });

  it('are distinct, and such as there are', () => {
    fc.assert(
      fc.property(ids(), ids(), fc.nat(40), (a, b, known) => {
        const asked = lookupDistances(a, b, known);
        expect(new Set(asked).size).toBe(asked.length);
        expect(asked.every((distance) => distance >= 1 && distance <= 256)).toBe(true);
      }),
    );
  });
});
