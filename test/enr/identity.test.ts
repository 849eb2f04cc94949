import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fromHex } from '../../src/base/bytes.ts';
import { ecdh, publicKeyOf } from '../../src/crypto/index.ts';
import { isPublicKey } from '../../src/enr/index.ts';
import { codeOf } from '../support/errors.ts';
import { runs } from '../support/runs.ts';

const ONE = new Uint8Array(32).fill(1, 31);
const FIELD_PRIME = 2n ** 256n - 2n ** 32n - 977n;

/** As libsecp256k1, or the js backend, finds it. */
function isPoint(publicKey: Uint8Array): boolean {
  const code = codeOf(() => ecdh(ONE, publicKey));
  expect(['none', 'invalid-public-key']).toContain(code);
  return code === 'none';
}

const bytesOf = (x: bigint, y: bigint): Uint8Array =>
  fromHex([x, y].map((number) => number.toString(16).padStart(64, '0')).join(''));

function power(base: bigint, exponent: bigint): bigint {
  if (exponent === 0n) return 1n;
  const half = power((base * base) % FIELD_PRIME, exponent >> 1n);
  return exponent & 1n ? (half * base) % FIELD_PRIME : half;
}

/** The y of points, where they are some. */
function rootOf(x: bigint): bigint {
  return power((x ** 3n + 7n) % FIELD_PRIME, (FIELD_PRIME + 1n) / 4n);
}

describe('a public key', () => {
  it('is what the backend takes for a point: keys, keys with a wrong bit, and other bytes', () => {
    const secretKey = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => {
      bytes[0] = 1;
      return bytes;
    });
    const key = secretKey.map(publicKeyOf);
    const wrong = fc.tuple(key, fc.nat(511)).map(([bytes, bit]) => {
      const changed = bytes.slice();
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      return changed;
    });
    const other = fc.uint8Array({ maxLength: 65 });
    fc.assert(
      fc.property(key, wrong, other, (key, wrong, other) => {
        expect([key, wrong, other].map(isPublicKey)).toEqual([true, isPoint(wrong), isPoint(other)]);
      }),
      { numRuns: runs(30) },
    );
  });

  it('has no coordinate beyond the prime', () => {
    const points = Array.from({ length: 40 }, (_, i) => BigInt(i)).filter(
      (x) => (rootOf(x) ** 2n - x ** 3n - 7n) % FIELD_PRIME === 0n,
    );
    expect(points.length).toBeGreaterThan(10);
    for (const x of points) {
      const [y, negative] = [rootOf(x), FIELD_PRIME - rootOf(x)];
      for (const key of [bytesOf(x, y), bytesOf(x, negative), bytesOf(x + FIELD_PRIME, y)]) {
        expect(isPublicKey(key)).toBe(isPoint(key));
      }
      expect([isPublicKey(bytesOf(x, y)), isPublicKey(bytesOf(x + FIELD_PRIME, y))]).toEqual([true, false]);
    }
  });

  it('is none of another length, or kind', () => {
    const key = publicKeyOf(ONE);
    expect([isPublicKey(key.subarray(1)), isPublicKey(new Uint8Array(64))]).toEqual([false, false]);
    for (const value of [undefined, null, 'key', {}]) expect(isPublicKey(value as never)).toBe(false);
  });
});
