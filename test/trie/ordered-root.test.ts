import { createMPT } from '@ethereumjs/mpt';
import { RLP } from '@ethereumjs/rlp';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { toHex } from '../../src/base/bytes.ts';
import { EMPTY_ROOT, orderedRoot } from '../../src/trie/index.ts';
import { runs } from '../support/runs.ts';

async function oracle(items: readonly Uint8Array[]): Promise<string> {
  const trie = await createMPT();
  for (const [index, item] of items.entries()) await trie.put(RLP.encode(index), item);
  return toHex(trie.root());
}

/** `count` items of pseudo-random lengths from 1 to `longest`. */
function items(count: number, longest: number): Uint8Array[] {
  return Array.from({ length: count }, (_, index) => {
    const length = 1 + ((index * 2654435761) % longest);
    return new Uint8Array(length).map((_, at) => (index + 7 * at) & 0xff);
  });
}

describe('the root of an ordered list', () => {
  it('is the hash of the empty string when there are no items', () => {
    expect(toHex(EMPTY_ROOT)).toBe('0x56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421');
    expect(orderedRoot([])).toEqual(EMPTY_ROOT);
  });

  it.each([1, 2, 3, 16, 17, 127, 128, 129, 130, 255, 256, 257, 300, 1500])(
    'agrees with @ethereumjs/mpt for %i items',
    async (count) => {
      const list = items(count, 200);
      expect(toHex(orderedRoot(list))).toBe(await oracle(list));
    },
  );

  it('agrees where nodes are so short that they lie in their parents', async () => {
    const list = Array.from({ length: 200 }, (_, index) => Uint8Array.of(index));
    expect(toHex(orderedRoot(list))).toBe(await oracle(list));
  });

  it('agrees for items at the limits of length headers', async () => {
    for (const length of [
      1, 31, 32, 33, 52, 53, 54, 55, 56, 250, 251, 252, 255, 256, 65_530, 65_536, 70_000,
    ]) {
      const list = [new Uint8Array(length).fill(1), new Uint8Array(length).fill(0x80), Uint8Array.of(1)];
      expect(toHex(orderedRoot(list)), `${length} bytes`).toBe(await oracle(list));
    }
  });

  it('agrees for any items', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.uint8Array({ minLength: 1, maxLength: 80 }), { maxLength: 40 }),
        async (list) => {
          expect(toHex(orderedRoot(list))).toBe(await oracle(list));
        },
      ),
      { numRuns: runs(60) },
    );
  });

  it('depends on the order', () => {
    const list = items(20, 100);
    expect(orderedRoot(list)).not.toEqual(orderedRoot([...list].reverse()));
  });
});
