import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PeerlaneError } from '../../src/base/errors.ts';
import {
  bigUint,
  bool,
  bytes,
  decode,
  decodePrefix,
  type Encodable,
  encode,
  list,
  optional,
  struct,
  text,
  uint,
  uintBytes,
} from '../../src/rlp/index.ts';
import { runs } from '../support/runs.ts';

const codec = struct({
  id: bigUint(64),
  small: uint(32),
  wide: bigUint(256),
  hash: bytes(32),
  data: bytes({ max: 400 }),
  name: text(64),
  flag: bool,
  scalar: uintBytes(256),
  pairs: list(struct({ key: uint(53), items: list(bytes()) })),
  extra: optional(uint(16)),
  last: optional(list(bigUint(128))),
});
type Input = Encodable<typeof codec>;

function withoutLeadingZeros(value: Uint8Array): Uint8Array {
  const first = value.findIndex((byte) => byte !== 0);
  return first < 0 ? new Uint8Array(0) : value.subarray(first);
}

const input = fc
  .record({
    id: fc.bigInt(0n, 2n ** 64n - 1n),
    small: fc.nat(2 ** 31 - 1),
    wide: fc.oneof(
      fc.bigInt(0n, 2n ** 256n - 1n),
      fc.nat(256).map((bits) => (1n << BigInt(bits)) - 1n),
    ),
    hash: fc.uint8Array({ minLength: 32, maxLength: 32 }),
    data: fc.uint8Array({ maxLength: 400, size: 'max' }),
    name: fc.string({ unit: 'grapheme', maxLength: 10 }).filter((name) => Buffer.byteLength(name) <= 64),
    flag: fc.boolean(),
    scalar: fc.uint8Array({ maxLength: 32 }).map(withoutLeadingZeros),
    pairs: fc.array(
      fc.record({
        key: fc.maxSafeNat(),
        items: fc.array(fc.uint8Array({ maxLength: 60 }), { maxLength: 5 }),
      }),
      { maxLength: 8 },
    ),
    extra: fc.nat(65_535),
    last: fc.array(fc.bigInt(0n, 2n ** 128n - 1n), { maxLength: 4 }),
  })
  .chain((value) =>
    fc.constantFrom<Input>(
      value,
      { ...value, last: undefined },
      { ...value, extra: undefined, last: undefined },
    ),
  );

/** Reads everything, lists too. */
function readAll(encoded: Uint8Array) {
  const value = decode(codec, encoded);
  const pairs = value.pairs.toArray().map(({ key, items }) => ({ key, items: items.toArray() }));
  return { ...value, pairs, last: value.last?.toArray() };
}

describe('any value of a schema', () => {
  it('is read as it was written, and written again as it was', () => {
    fc.assert(
      fc.property(input, (value) => {
        const encoded = encode(codec, value);
        expect(readAll(encoded)).toEqual(value);
        expect(encode(codec, decode(codec, encoded))).toEqual(encoded);
        expect(encode(codec, readAll(encoded))).toEqual(encoded);
      }),
      { numRuns: runs(200) },
    );
  });

  it('is found at its place in a series', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 20 }), input, (before, value) => {
        const encoded = encode(codec, value);
        const { end } = decodePrefix(codec, Uint8Array.from([...before, ...encoded, 1]), before.length);
        expect(end).toBe(before.length + encoded.length);
      }),
      { numRuns: runs(50) },
    );
  });
});

/** What is not rejected with an error of the family must be a value, which is written as it was read. */
function survives(encoded: Uint8Array): void {
  let value: ReturnType<typeof readAll>;
  try {
    value = readAll(encoded);
  } catch (error) {
    if (error instanceof PeerlaneError && error.code.startsWith('rlp-')) return;
    throw error;
  }
  expect(encode(codec, value)).toEqual(encoded);
}

describe('any input', () => {
  it('of random bytes is a typed error or a value', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300, size: 'max' }), survives), { numRuns: runs(300) });
  });

  it('made from an encoding by changing bytes is a typed error or a value', () => {
    const changes = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(input, changes, fc.nat(), (value, places, cut) => {
        const encoded = encode(codec, value);
        for (const [place, byte] of places) encoded[place % encoded.length] = byte;
        survives(encoded);
        survives(encoded.subarray(0, cut % encoded.length));
      }),
      { numRuns: runs(300) },
    );
  });
});
