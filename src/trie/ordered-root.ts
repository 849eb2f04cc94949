import { sortedRoot } from './sorted-root.ts';

/** Keys of the first indices are kept; a block rarely has more transactions. */
const KEPT_KEYS = 1024;
const keptKeys = Array.from({ length: KEPT_KEYS }, (_, index) => indexKey(index));

/**
 * Root of the trie that maps rlp(i) to the i-th item: the root of a block's transactions, receipts or
 * withdrawals from their consensus encodings (Yellow Paper, section 4.4).
 */
export function orderedRoot(items: readonly Uint8Array[]): Uint8Array {
  const keys: Uint8Array[] = [];
  const values: Uint8Array[] = [];
  const add = (index: number): void => {
    const item = items[index];
    if (item === undefined) return;
    keys.push(keptKeys[index] ?? indexKey(index));
    values.push(item);
  };
  // rlp(0) is 0x80, so index 0 sorts behind the single bytes of 1 to 127.
  for (let index = 1; index < Math.min(items.length, 0x80); index++) add(index);
  add(0);
  for (let index = 0x80; index < items.length; index++) add(index);
  return sortedRoot(keys, values);
}

/** RLP of an index. */
function indexKey(index: number): Uint8Array {
  if (index === 0) return Uint8Array.of(0x80);
  if (index < 0x80) return Uint8Array.of(index);
  const bytes: number[] = [];
  for (let rest = index; rest > 0; rest = Math.floor(rest / 256)) bytes.unshift(rest % 256);
  return Uint8Array.of(0x80 + bytes.length, ...bytes);
}
