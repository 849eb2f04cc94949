/** What callers give to be told to peers, as the messages that say it. */
import { PeerlaneError } from '../base/errors.ts';
import type { MessageInputs } from './messages.ts';
import { Transaction, TX_TYPE } from './transaction.ts';

/** Transactions announced in one message: the soft limit of caps/eth.md, "NewPooledTransactionHashes (0x08)". */
export const MAX_ANNOUNCED = 4096;

const MAX_TYPE = 0x7f;

/** A transaction that a peer may ask for. */
export interface AnnouncedTransaction {
  readonly type: number;
  /** Bytes of the consensus encoding. */
  readonly size: number;
  readonly hash: Uint8Array;
}

/**
 * Refuses what no Transactions message may hold: blob transactions, which are only announced (EIP-4844,
 * "Networking"), and nothing at all (caps/eth.md, "Transactions (0x02)").
 * @throws PeerlaneError `invalid-argument`
 */
export function checkTransactions(transactions: readonly Transaction[]): void {
  if (!Array.isArray(transactions) || transactions.length === 0) {
    throw new PeerlaneError('invalid-argument', 'transactions is no list of at least one');
  }
  for (const [index, transaction] of transactions.entries()) {
    if (!(transaction instanceof Transaction)) {
      throw new PeerlaneError('invalid-argument', `transactions[${index}] is no Transaction`);
    }
    if (transaction.type === TX_TYPE.blob) {
      throw new PeerlaneError(
        'invalid-argument',
        `transactions[${index}] is a blob transaction, which is announced, not sent`,
      );
    }
  }
}

/**
 * The messages that announce the transactions, in their order: one for each `MAX_ANNOUNCED` of them.
 * @throws PeerlaneError `invalid-argument`
 */
export function announcementsOf(
  transactions: readonly AnnouncedTransaction[],
): MessageInputs['NewPooledTransactionHashes'][] {
  if (!Array.isArray(transactions)) {
    throw new PeerlaneError('invalid-argument', 'a list of announced transactions expected');
  }
  const count = Math.max(1, Math.ceil(transactions.length / MAX_ANNOUNCED));
  return Array.from({ length: count }, (_, i) =>
    announcement(transactions.slice(i * MAX_ANNOUNCED, (i + 1) * MAX_ANNOUNCED)),
  );
}

function announcement(
  transactions: readonly AnnouncedTransaction[],
): MessageInputs['NewPooledTransactionHashes'] {
  for (const announced of transactions) {
    const type = typeof announced === 'object' ? announced?.type : undefined;
    if (type === undefined || !Number.isInteger(type) || type < 0 || type > MAX_TYPE) {
      throw new PeerlaneError('invalid-argument', `no transaction type: ${type}`);
    }
  }
  return {
    types: Uint8Array.from(transactions, ({ type }) => type),
    sizes: transactions.map(({ size }) => size),
    hashes: transactions.map(({ hash }) => hash),
  };
}
