/** Values of every eth message for tests: how to draw them, and how to compare them. */
import fc from 'fast-check';
import type { EthVersion, MessageInputs, MessageName } from '../../src/eth/messages.ts';
import { Transaction } from '../../src/eth/transaction.ts';
import { bytes, encode, list, RlpList } from '../../src/rlp/index.ts';

const uint64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const uint256 = fc.bigInt({ min: 0n, max: 2n ** 256n - 1n });
const number = fc.maxSafeNat();
const hash = fixed(32);
const hashes = fc.array(hash, { maxLength: 5 });

function fixed(length: number): fc.Arbitrary<Uint8Array> {
  return fc.uint8Array({ minLength: length, maxLength: length });
}

function upTo(maxLength: number): fc.Arbitrary<Uint8Array> {
  return fc.uint8Array({ maxLength });
}

/** Required fields, and the optional ones up to any of them, as forks add them. */
function withOptional<R extends object, O extends object>(
  required: { [K in keyof R]: fc.Arbitrary<R[K]> },
  optional: { [K in keyof O]: fc.Arbitrary<O[K]> },
): fc.Arbitrary<R & Partial<O>> {
  const names = Object.keys(optional) as (keyof O)[];
  return fc.tuple(fc.record(required), fc.record(optional), fc.nat(names.length)).map(([r, o, count]) => {
    const value: R & Partial<O> = { ...(r as R) };
    for (const name of names.slice(0, count)) Object.assign(value, { [name]: (o as O)[name] });
    return value;
  });
}

export const header = withOptional(
  {
    parentHash: hash,
    ommersHash: hash,
    coinbase: fixed(20),
    stateRoot: hash,
    transactionsRoot: hash,
    receiptsRoot: hash,
    logsBloom: fc.constant(new Uint8Array(256).fill(7)),
    difficulty: uint256,
    number,
    gasLimit: uint64,
    gasUsed: uint64,
    timestamp: number,
    extraData: upTo(40),
    mixHash: hash,
    nonce: fixed(8),
  },
  {
    baseFeePerGas: uint256,
    withdrawalsRoot: hash,
    blobGasUsed: uint64,
    excessBlobGas: uint64,
    parentBeaconBlockRoot: hash,
    requestsHash: hash,
    blockAccessListHash: hash,
    slotNumber: uint64,
  },
);

export const transaction = fc.oneof(
  fc
    .tuple(fc.integer({ min: 1, max: 0x7f }), upTo(60))
    .map(([type, rest]) => new Transaction(Uint8Array.of(type, ...rest))),
  fc.array(upTo(33), { maxLength: 9 }).map((fields) => new Transaction(encode(list(bytes()), fields))),
);

const withdrawal = fc.record({ index: uint64, validatorIndex: uint64, address: fixed(20), amount: uint64 });

const bodyRequired = {
  transactions: fc.array(transaction, { maxLength: 3 }),
  ommers: fc.array(header, { maxLength: 2 }),
};
const bodyOptional = { withdrawals: fc.array(withdrawal, { maxLength: 3 }) };

const log = fc.record({ address: fixed(20), topics: fc.array(hash, { maxLength: 4 }), data: upTo(60) });

const receipt = fc.record({
  type: fc.integer({ min: 0, max: 0x7f }),
  statusOrRoot: fc.oneof(fixed(32), fixed(0), fc.constant(Uint8Array.of(1))),
  cumulativeGasUsed: uint64,
  logs: fc.array(log, { maxLength: 2 }),
});

const hashesRequest = fc.record({ id: uint64, hashes });

function response<T>(item: fc.Arbitrary<T>): fc.Arbitrary<{ id: bigint; items: T[] }> {
  return fc.record({ id: uint64, items: fc.array(item, { maxLength: 3 }) });
}

const blockRange = fc.tuple(number, number, fixed(31)).map(([a, b, rest]) => ({
  earliest: Math.min(a, b),
  latest: Math.max(a, b),
  latestHash: Uint8Array.of(1, ...rest),
}));

/** What may be encoded as each message; the same for all versions that have it. */
export const INPUTS: { readonly [N in MessageName]: fc.Arbitrary<MessageInputs[N]> } = {
  Status: fc.record({
    version: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
    networkId: uint64,
    genesisHash: hash,
    forkId: fc.record({ hash: fixed(4), next: uint64 }),
    head: fc.record({ number, hash }),
    totalDifficulty: uint256,
    earliest: number,
  }),
  NewBlockHashes: fc.array(fc.record({ hash, number }), { maxLength: 5 }),
  Transactions: fc.array(transaction, { maxLength: 5 }),
  GetBlockHeaders: fc.record({
    id: uint64,
    query: fc.record({ start: fc.oneof(uint64, hash), limit: uint64, skip: uint64, reverse: fc.boolean() }),
  }),
  BlockHeaders: response(header),
  GetBlockBodies: hashesRequest,
  BlockBodies: response(withOptional(bodyRequired, bodyOptional)),
  NewBlock: fc.record({
    block: withOptional({ header, ...bodyRequired }, bodyOptional),
    totalDifficulty: uint256,
  }),
  NewPooledTransactionHashes: fc
    .array(fc.tuple(fc.nat(127), fc.integer({ min: 0, max: 2 ** 32 - 1 }), hash), { maxLength: 5 })
    .map((items) => ({
      types: Uint8Array.from(items, ([type]) => type),
      sizes: items.map(([, size]) => size),
      hashes: items.map(([, , itemHash]) => itemHash),
    })),
  GetPooledTransactions: hashesRequest,
  PooledTransactions: response(transaction),
  GetReceipts: hashesRequest,
  Receipts: response(fc.array(receipt, { maxLength: 3 })),
  BlockRangeUpdate: blockRange,
};

/** What of a Status each version says. */
export const STATUS_FIELDS: Readonly<Record<EthVersion, (status: MessageInputs['Status']) => object>> = {
  68: ({ earliest: _, head, ...rest }) => ({ ...rest, head: { hash: head.hash } }),
  69: ({ totalDifficulty: _, ...rest }) => rest,
};

/** A decoded value, every list decoded to its last element, in the shape that encoding takes. */
export function plain(value: unknown): unknown {
  if (value instanceof RlpList) return value.toArray().map(plain);
  if (Array.isArray(value)) return value.map(plain);
  if (value instanceof Transaction) return new Transaction(value.encoded.slice());
  if (value instanceof Uint8Array) return value.slice();
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).filter(([, field]) => field !== undefined);
  return Object.fromEntries(entries.map(([name, field]) => [name, plain(field)]));
}
