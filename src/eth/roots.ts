import { keccak256 } from '../crypto/index.ts';
import { encodeList, type RlpList } from '../rlp/index.ts';
import { EMPTY_ROOT, orderedRoot } from '../trie/index.ts';
import type { Header } from './header.ts';
import { type ReceiptInput, receiptEnvelope } from './receipt.ts';
import type { Transaction } from './transaction.ts';
import type { Withdrawal } from './withdrawal.ts';

/** Hash of an empty list of ommers: the ommers hash of every block since the merge. Not to be written to. */
export const EMPTY_OMMERS_HASH: Uint8Array = keccak256(encodeList([]));

/** Root over the consensus encodings of a block's transactions. */
export function transactionsRoot(transactions: RlpList<Transaction> | readonly Transaction[]): Uint8Array {
  if (transactions.length === 0) return EMPTY_ROOT;
  const items: Uint8Array[] = [];
  for (const transaction of transactions) items.push(transaction.encoded);
  return orderedRoot(items);
}

/** Root over the RLP of a block's withdrawals (EIP-4895). */
export function withdrawalsRoot(withdrawals: RlpList<Withdrawal>): Uint8Array {
  return orderedRoot(encodings(withdrawals));
}

/** Root over the consensus encodings of a block's receipts, blooms computed from the logs. */
export function receiptsRoot(receipts: Iterable<ReceiptInput>): Uint8Array {
  return orderedRoot(Array.from(receipts, receiptEnvelope));
}

/** keccak256 of the RLP of the list of ommer headers. */
export function ommersHash(ommers: RlpList<Header>): Uint8Array {
  return ommers.length === 0 ? EMPTY_OMMERS_HASH : keccak256(ommers.encoded);
}

function encodings(items: RlpList<unknown>): Uint8Array[] {
  return Array.from({ length: items.length }, (_, index) => items.encodedAt(index));
}
