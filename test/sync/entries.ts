import { headerCodec } from '../../src/eth/header.ts';
import { decode } from '../../src/rlp/index.ts';
import type { BlockEntry } from '../../src/sync/index.ts';
import type { TestBlock, TestChain } from './chains.ts';

/** A block as the store takes it. */
export function entryOf({ number, hash, header, body }: TestBlock): BlockEntry {
  return { number, hash, encoded: header, header: decode(headerCodec, header), body };
}

/** Blocks `from` to `to` as the store takes them, both included; by falling numbers if `from` is larger. */
export function entries({ blocks }: TestChain, from: number, to: number): BlockEntry[] {
  const range = blocks.slice(Math.min(from, to), Math.max(from, to) + 1).map(entryOf);
  return from > to ? range.reverse() : range;
}
