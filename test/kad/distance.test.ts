import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { toHex } from '../../src/base/bytes.ts';
import { compareDistance, logDistance } from '../../src/kad/index.ts';

const id = fc.uint8Array({ minLength: 32, maxLength: 32 });
/** Ids that share a prefix of any length with another. */
const pair = fc
  .tuple(id, fc.nat({ max: 255 }))
  .map(([a, bit]) => [a, a.with(bit >> 3, (a[bit >> 3] ?? 0) ^ (0x80 >> (bit & 7)))] as const);
const xor = (a: Uint8Array, b: Uint8Array): bigint => BigInt(toHex(a)) ^ BigInt(toHex(b));

describe('the log-distance', () => {
  it('is 0 of an id to itself, 1 to the one that differs in the last bit, 256 in the first', () => {
    const zero = new Uint8Array(32);
    expect(logDistance(zero, zero)).toBe(0);
    expect(logDistance(zero, zero.with(31, 1))).toBe(1);
    expect(logDistance(zero, zero.with(0, 0x80))).toBe(256);
  });

  it('is the number of bits of the exclusive or', () => {
    fc.assert(
      fc.property(fc.oneof(pair, fc.tuple(id, id)), ([a, b]) => {
        const difference = xor(a, b);
        const bits = difference === 0n ? 0 : difference.toString(2).length;
        expect([logDistance(a, b), logDistance(b, a)]).toEqual([bits, bits]);
      }),
    );
  });
});

describe('the distance', () => {
  it('orders as the exclusive or does, taken as a number', () => {
    fc.assert(
      fc.property(id, fc.oneof(pair, fc.tuple(id, id)), (target, [a, b]) => {
        const [toA, toB] = [xor(target, a), xor(target, b)];
        const order = toA < toB ? -1 : Number(toA > toB);
        expect(Math.sign(compareDistance(target, a, b))).toBe(order);
        expect(compareDistance(target, a, a)).toBe(0);
      }),
    );
  });
});
