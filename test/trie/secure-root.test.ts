import { createMPT } from '@ethereumjs/mpt';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { toHex } from '../../src/base/bytes.ts';
import { keccak256 } from '../../src/crypto/index.ts';
import { EMPTY_ROOT, type SecureEntry, secureRoot } from '../../src/trie/index.ts';
import { codeOf } from '../support/errors.ts';
import { runs } from '../support/runs.ts';

async function oracle(entries: readonly SecureEntry[]): Promise<string> {
  const trie = await createMPT();
  for (const [key, value] of entries) await trie.put(key, value);
  return toHex(trie.root());
}

/** Keys of 32 bytes of which many share long prefixes, so that extensions of all lengths occur. */
const key = fc
  .tuple(fc.integer({ min: 0, max: 31 }), fc.uint8Array({ minLength: 1, maxLength: 3 }))
  .map(([at, end]) => {
    const bytes = new Uint8Array(32);
    bytes.set(end.subarray(0, 32 - at), at);
    return bytes;
  });

describe('the root of a secure trie', () => {
  it('is the empty root when there is nothing', () => {
    expect(secureRoot([])).toEqual(EMPTY_ROOT);
  });

  it('agrees with @ethereumjs/mpt for 1,000 hashed keys, in whatever order they come', async () => {
    const entries = Array.from({ length: 1000 }, (_, index): SecureEntry => {
      const name = Uint8Array.of(index >> 8, index & 0xff);
      return [keccak256(name), name];
    });
    const expected = await oracle(entries);
    expect(toHex(secureRoot(entries))).toBe(expected);
    expect(toHex(secureRoot([...entries].reverse()))).toBe(expected);
  });

  it('agrees for keys that share prefixes of any length', async () => {
    const entries = fc.uniqueArray(fc.tuple(key, fc.uint8Array({ minLength: 1, maxLength: 50 })), {
      maxLength: 30,
      selector: ([bytes]) => toHex(bytes),
    });
    await fc.assert(
      fc.asyncProperty(entries, async (list) => {
        expect(toHex(secureRoot(list))).toBe(await oracle(list));
      }),
      { numRuns: runs(60) },
    );
  });

  it('refuses keys of another length, keys that repeat, and empty values', () => {
    const one = new Uint8Array(32).fill(1);
    const value = Uint8Array.of(1);
    expect(codeOf(() => secureRoot([[one.subarray(1), value]]))).toBe('invalid-argument');
    expect(
      codeOf(() =>
        secureRoot([
          [one, value],
          [one.slice(), value],
        ]),
      ),
    ).toBe('invalid-argument');
    expect(codeOf(() => secureRoot([[one, new Uint8Array(0)]]))).toBe('invalid-argument');
  });
});
