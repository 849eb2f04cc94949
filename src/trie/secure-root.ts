import { compareBytes } from '../base/bytes.ts';
import { PeerlaneError } from '../base/errors.ts';
import { sortedRoot } from './sorted-root.ts';

/** A hashed key (32 bytes) and the value behind it, which is not empty. */
export type SecureEntry = readonly [key: Uint8Array, value: Uint8Array];

/**
 * Root of a trie whose keys are Keccak-256 digests: the state trie (address digest -> account) or the storage
 * trie of an account (slot digest -> RLP of the value). Entries may come in any order.
 *
 * @throws PeerlaneError `invalid-argument` if a key is not 32 bytes long or appears twice, or a value is empty
 */
export function secureRoot(entries: Iterable<SecureEntry>): Uint8Array {
  const sorted = [...entries].sort(([a], [b]) => compareBytes(a, b));
  const keys: Uint8Array[] = [];
  const values: Uint8Array[] = [];
  let previous: Uint8Array | undefined;
  for (const [key, value] of sorted) {
    if (key.length !== 32) throw new PeerlaneError('invalid-argument', 'a key of a secure trie has 32 bytes');
    if (value.length === 0) throw new PeerlaneError('invalid-argument', 'an empty value is not in a trie');
    if (previous !== undefined && compareBytes(previous, key) === 0) {
      throw new PeerlaneError('invalid-argument', 'a key of a secure trie appears twice');
    }
    keys.push(key);
    values.push(value);
    previous = key;
  }
  return sortedRoot(keys, values);
}
