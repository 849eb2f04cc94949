import { equalBytes } from '../base/bytes.ts';
import { PeerlaneError } from '../base/errors.ts';
import { type Decoded, list, optional, struct } from '../rlp/index.ts';
import { type Header, headerCodec } from './header.ts';
import { ommersHash, transactionsRoot, withdrawalsRoot } from './roots.ts';
import { transactionCodec } from './transaction.ts';
import { withdrawalCodec } from './withdrawal.ts';

/** caps/eth.md, "Block Encoding and Validity": the ommers list may contain at most two headers. */
const MAX_OMMERS = 2;

/** The lists of a body, which stand as they are in a block too. */
export const bodyFields = {
  transactions: list(transactionCodec),
  ommers: list(headerCodec, { max: MAX_OMMERS }),
  /** Since Shanghai, EIP-4895. */
  withdrawals: optional(list(withdrawalCodec)),
} as const;

/** A block body, `[transactions, ommers, withdrawals?]`. Its lists are decoded when they are looked at. */
export const bodyCodec = struct(bodyFields);

export type Body = Decoded<typeof bodyCodec>;

/**
 * Checks that `body` is the one that `header` commits to: transactions root, ommers hash and withdrawals root,
 * the latter present in both or in neither. The transactions and withdrawals themselves are not looked into.
 * @throws PeerlaneError `body-mismatch`
 */
export function checkBody(
  header: Pick<Header, 'transactionsRoot' | 'ommersHash' | 'withdrawalsRoot'>,
  body: Body,
): void {
  if (!equalBytes(transactionsRoot(body.transactions), header.transactionsRoot)) {
    throw mismatch('transactions root');
  }
  if (!equalBytes(ommersHash(body.ommers), header.ommersHash)) throw mismatch('ommers hash');
  if (body.withdrawals === undefined || header.withdrawalsRoot === undefined) {
    if (body.withdrawals !== header.withdrawalsRoot) throw mismatch('presence of withdrawals');
  } else if (!equalBytes(withdrawalsRoot(body.withdrawals), header.withdrawalsRoot)) {
    throw mismatch('withdrawals root');
  }
}

function mismatch(what: string): PeerlaneError {
  return new PeerlaneError('body-mismatch', `the body does not have the ${what} of the header`, {
    details: { what },
  });
}
