/** Codecs of the messages that no other file's subject covers. */
import { type ErrorCode, PeerlaneError } from '../base/errors.ts';
import {
  bigUint,
  bool,
  bytes,
  type Codec,
  decode,
  encode,
  list,
  mapped,
  raw,
  struct,
  uint,
} from '../rlp/index.ts';
import { blockCodec } from './block.ts';
import { checkBlockRange } from './status.ts';
import { transactionCodec } from './transaction.ts';

/** Bound on the transactions of one Transactions message, as go-ethereum has it. */
export const MAX_TRANSACTIONS = 5000;

const HASH_LENGTH = 32;
const UINT64_LENGTH = 8;

/** `request-id` (EIP-2481). */
const requestId = bigUint(64);
const hash = bytes(HASH_LENGTH);

/** A block by its number, 64 bits, or by its 32-byte hash. */
export type BlockId = bigint | Uint8Array;

const uint64 = bigUint(8 * UINT64_LENGTH);

const blockIdCodec: Codec<BlockId, BlockId | number> = mapped(
  raw,
  ({ encoded, payload, isList }) => {
    if (!isList && payload.length === HASH_LENGTH) return payload;
    return decode(uint64, encoded);
  },
  (id) => ({ encoded: id instanceof Uint8Array ? encode(hash, id) : encode(uint64, BigInt(id)) }),
);

/** `[id, [hash...]]`. */
export const hashesRequestCodec = struct({ id: requestId, hashes: list(hash) });

/** `[id, [startblock, limit, skip, reverse]]`. */
export const headersRequestCodec = struct({
  id: requestId,
  query: struct({
    start: blockIdCodec,
    limit: uint64,
    /** Blocks left out between two headers. */
    skip: uint64,
    /** Falling numbers. */
    reverse: bool,
  }),
});

/** `[id, [item...]]`. */
export function responseCodec<T, I>(item: Codec<T, I>) {
  return struct({ id: requestId, items: list(item) });
}

/** A response whose items are encoded already. */
export const servedCodec = struct({ id: requestId, items: list(raw) });

/** `[[hash, number]...]`. */
export const blockHashesCodec = list(struct({ hash, number: uint(53) }));

/** `[block, td]`. */
export const newBlockCodec = struct({ block: blockCodec, totalDifficulty: bigUint(256) });

export const transactionsCodec = list(transactionCodec, { max: MAX_TRANSACTIONS });

/** `[types, [size...], [hash...]]` (EIP-5793), of equal count; 4,096 are a soft limit, the sender's affair. */
export const transactionHashesCodec = checked(
  struct({ types: bytes(), sizes: list(uint(32)), hashes: list(hash) }),
  'message-invalid',
  checkCounts,
);

/** `[earliest, latest, latestHash]` (EIP-7642). */
export const blockRangeCodec = checked(
  struct({ earliest: uint(53), latest: uint(53), latestHash: hash }),
  'block-range-invalid',
  checkBlockRange,
);

interface Counted {
  readonly length: number;
}

function checkCounts(
  { types, sizes, hashes }: { readonly types: Counted; readonly sizes: Counted; readonly hashes: Counted },
  code: ErrorCode,
): void {
  if (types.length !== hashes.length || sizes.length !== hashes.length) {
    throw new PeerlaneError(
      code,
      `${types.length} types and ${sizes.length} sizes for ${hashes.length} hashes`,
    );
  }
}

/** `codec` whose values must pass `check`: read, they fail with `code`; written, with `invalid-argument`. */
function checked<T, I>(
  codec: Codec<T, I>,
  code: ErrorCode,
  check: (value: T | I, code: ErrorCode) => void,
): Codec<T, I> {
  const passing =
    <V extends T | I>(codeOnFailure: ErrorCode) =>
    (value: V): V => {
      if (typeof value !== 'object' || value === null) throw new PeerlaneError(codeOnFailure, 'no object');
      check(value, codeOnFailure);
      return value;
    };
  return mapped(codec, passing<T>(code), passing<I>('invalid-argument'));
}
