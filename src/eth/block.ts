import { type Decoded, decode, encodeList, list, optional, raw, struct } from '../rlp/index.ts';
import { bodyFields } from './body.ts';
import { headerCodec } from './header.ts';

/**
 * A whole block, `[header, transactions, ommers, withdrawals?]`: in NewBlock messages, and in the files that
 * `geth export` writes.
 */
export const blockCodec = struct({ header: headerCodec, ...bodyFields });

export type Block = Decoded<typeof blockCodec>;

const partsCodec = struct({ header: raw, transactions: raw, ommers: raw, withdrawals: optional(raw) });

/** The two encodings that the wire and a chain store keep apart. */
export interface BlockParts {
  /** RLP of the header, a view. */
  readonly header: Uint8Array;
  /** RLP of `[transactions, ommers, withdrawals?]`, new bytes. */
  readonly body: Uint8Array;
}

/**
 * Takes the RLP of a block apart, without looking into header or lists.
 * @throws PeerlaneError `rlp-...`
 */
export function splitBlock(encoded: Uint8Array): BlockParts {
  const { header, transactions, ommers, withdrawals } = decode(partsCodec, encoded);
  const lists = [transactions.encoded, ommers.encoded];
  if (withdrawals !== undefined) lists.push(withdrawals.encoded);
  return { header: header.encoded, body: encodeList(lists) };
}

/** The RLP of the block that consists of these parts. @throws PeerlaneError `rlp-...` if the body is no list */
export function joinBlock({ header, body }: BlockParts): Uint8Array {
  const items = decode(list(raw), body);
  return encodeList([header, ...Array.from(items, (item) => item.encoded)]);
}
