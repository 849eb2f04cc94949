/**
 * Our codec against `@ethereumjs/rlp` and `rlp` 3. All are strict, and differ in one input only, the empty one.
 */
import { RLP } from '@ethereumjs/rlp';
import fc from 'fast-check';
import rlp from 'rlp';
import { describe, expect, it } from 'vitest';
import { PeerlaneError } from '../../src/base/errors.ts';
import {
  bytes,
  type Codec,
  checkWellFormed,
  decode,
  either,
  encode,
  list,
  mapped,
} from '../../src/rlp/index.ts';
import { runs } from '../support/runs.ts';

type Nested = Uint8Array | Nested[];

const leaf = fc.oneof(
  fc.uint8Array({ maxLength: 3 }),
  fc.uint8Array({ minLength: 54, maxLength: 58 }),
  fc.uint8Array({ minLength: 254, maxLength: 258, size: 'max' }),
);
const { nested } = fc.letrec<{ nested: Nested; list: Nested[] }>((tie) => ({
  nested: fc.oneof({ depthSize: 'small', withCrossShrink: true }, leaf, tie('list')),
  list: fc.array(tie('nested'), { maxLength: 6 }),
}));

/** Byte strings and lists, nested to `depth` levels. */
function treeCodec(depth: number): Codec<Nested, Nested> {
  const leaves: Codec<Nested, Nested> = mapped(
    bytes(),
    (value): Nested => value,
    (value: Nested) => (value instanceof Uint8Array ? value : new Uint8Array(0)),
  );
  if (depth === 0) return leaves;
  const lists: Codec<Nested, Nested> = mapped(
    list(treeCodec(depth - 1)),
    (value): Nested => value.toArray(),
    (value: Nested) => (value instanceof Uint8Array ? [] : value),
  );
  return either(leaves, lists);
}

const tree = treeCodec(20);

/** What `run` gives, or `undefined` if it throws. */
function accepted<T>(run: () => T): T | undefined {
  try {
    return run();
  } catch {
    return undefined;
  }
}

/** What ours gives; an error that is not of the family fails the test. */
function decodedByUs(input: Uint8Array): Nested | undefined {
  try {
    checkWellFormed(input);
    return decode(tree, input);
  } catch (error) {
    if (error instanceof PeerlaneError && error.code.startsWith('rlp-')) return undefined;
    throw error;
  }
}

/** An encoding with some bytes changed, put in or taken out. */
const damaged = fc
  .tuple(
    nested,
    fc.array(fc.tuple(fc.nat(), fc.constantFrom('set', 'insert', 'remove'), fc.nat(255)), {
      minLength: 1,
      maxLength: 3,
    }),
  )
  .map(([value, changes]) => {
    const input = [...RLP.encode(value)];
    for (const [place, how, byte] of changes) {
      const at = place % (input.length + 1);
      if (how === 'insert') input.splice(at, 0, byte);
      else if (how === 'remove') input.splice(at, 1);
      else if (at < input.length) input[at] = byte;
    }
    return Uint8Array.from(input);
  });

describe('compared with @ethereumjs/rlp and rlp', () => {
  it('values are written the same', () => {
    fc.assert(
      fc.property(nested, (value) => {
        const encoded = encode(tree, value);
        expect(encoded).toEqual(RLP.encode(value));
        expect(encoded).toEqual(rlp.encode(value));
      }),
      { numRuns: runs(300) },
    );
  });

  it('values are read the same', () => {
    fc.assert(
      fc.property(nested, (value) => {
        expect(decode(tree, RLP.encode(value))).toEqual(value);
      }),
      { numRuns: runs(300) },
    );
  });

  it.each([
    ['damaged encodings', damaged],
    ['random bytes', fc.uint8Array({ minLength: 1, maxLength: 80 })],
    ['bytes that are mostly headers', headers()],
  ])('%s are accepted or rejected alike', (_, inputs) => {
    fc.assert(
      fc.property(
        inputs.filter((input) => input.length > 0),
        (input) => {
          const ours = decodedByUs(input);
          expect(ours).toEqual(accepted(() => RLP.decode(input)));
          expect(ours).toEqual(accepted(() => rlp.decode(input)));
        },
      ),
      { numRuns: runs(500) },
    );
  });

  it('an empty input is no item, where the libraries read an empty byte string', () => {
    expect(decodedByUs(new Uint8Array(0))).toBeUndefined();
    expect(RLP.decode(new Uint8Array(0))).toEqual(new Uint8Array(0));
    expect(rlp.decode(new Uint8Array(0))).toEqual(new Uint8Array(0));
  });
});

/** Short inputs of the bytes at which the meaning of a header changes. */
function headers(): fc.Arbitrary<Uint8Array> {
  const edges = [
    0, 1, 2, 0x37, 0x38, 0x7f, 0x80, 0x81, 0x82, 0xb7, 0xb8, 0xb9, 0xbf, 0xc0, 0xc1, 0xc2, 0xf7, 0xf8, 0xff,
  ];
  return fc
    .array(fc.constantFrom(...edges), { minLength: 1, maxLength: 8 })
    .map((all) => Uint8Array.from(all));
}
