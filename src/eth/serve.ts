import { encode, type RlpList } from '../rlp/index.ts';
import type { ChainReader } from './chain-reader.ts';
import {
  type EthMessage,
  type EthVersion,
  MAX_MESSAGE_SIZE,
  type MessageValues,
  messageRow,
  type RequestName,
} from './messages.ts';
import { type Transaction, transactionCodec } from './transaction.ts';

/** Bytes of items after which an answer is closed; the item that crosses it is still in (caps/eth.md). */
export const SOFT_RESPONSE_LIMIT = 2 * 1024 * 1024;

/** Headers, bodies or receipt lists in one answer; bounds the look-ups that a request costs. */
export const MAX_SERVED_BLOCKS = 1024;

/** Transactions looked up for one GetPooledTransactions (caps/eth.md, its soft limit). */
export const MAX_SERVED_TRANSACTIONS = 256;

const HASH_LENGTH = 32;

/** What list headers and the request id may take beside the items of the largest answer. */
const ENVELOPE_ROOM = 64;

export interface ServeOptions {
  /** Bytes that an answer of several items may have; default and at most what the protocol allows. */
  readonly maxLength?: number | undefined;
  /** Ends the look-ups when the connection is over. */
  readonly signal?: AbortSignal | undefined;
}

/** What a GetBlockHeaders asks for. */
export type HeadersQuery = MessageValues['GetBlockHeaders']['query'];

/** Collects encoded items while the answer has room. */
class Answer {
  readonly items: Uint8Array[] = [];
  readonly #limit: number;
  #bytes = 0;

  /** @param limit bytes that only a first item may exceed; the soft limit holds in any case */
  constructor(limit = Number.POSITIVE_INFINITY) {
    this.#limit = Math.min(limit, MAX_MESSAGE_SIZE) - ENVELOPE_ROOM;
  }

  get isClosed(): boolean {
    return this.#bytes >= SOFT_RESPONSE_LIMIT;
  }

  /** False: the item would make the message larger than it may be, and is left out. */
  add(item: Uint8Array): boolean {
    const limit = this.items.length === 0 ? MAX_MESSAGE_SIZE - ENVELOPE_ROOM : this.#limit;
    if (this.#bytes + item.length > limit) return false;
    this.#bytes += item.length;
    this.items.push(item);
    return true;
  }
}

/**
 * RLP of the headers that a GetBlockHeaders asks for: canonical blocks from `start`, `skip` apart, up to the
 * first that the chain does not have. Any 64-bit numbers will do; the work is at most 1,024 look-ups.
 */
export async function serveBlockHeaders(
  chain: ChainReader,
  { start, limit, skip, reverse }: HeadersQuery,
  { maxLength, signal }: ServeOptions = {},
): Promise<Uint8Array[]> {
  const answer = new Answer(maxLength);
  const count = limit < MAX_SERVED_BLOCKS ? Number(limit) : MAX_SERVED_BLOCKS;
  if (count === 0) return answer.items;
  const first = typeof start === 'bigint' ? start : await chain.numberOf(start);
  if (first === undefined) return answer.items;
  const head = chain.head().number;
  // Past 2^53 a step leaves every chain, so plain numbers do from here on.
  const step = (Number(skip) + 1) * (reverse ? -1 : 1);
  let number = Number(first);
  for (let i = 0; i < count && number >= 0 && number <= head; i++, number += step) {
    if (signal?.aborted || answer.isClosed) break;
    const header = await chain.header(number);
    if (header === undefined || !answer.add(header)) break;
  }
  return answer.items;
}

/** RLP of the bodies for `hashes`, in their order, up to the first that the chain does not have. */
export async function serveBlockBodies(
  chain: ChainReader,
  hashes: readonly Uint8Array[],
  options?: ServeOptions,
): Promise<Uint8Array[]> {
  return serveByHash(chain, hashes, (number) => chain.body(number), options);
}

/**
 * RLP of the receipt lists for `hashes`, under the same rules; `convert` makes what the version sends of the
 * consensus encoding that the chain keeps.
 */
export async function serveReceipts(
  chain: ChainReader,
  hashes: readonly Uint8Array[],
  convert: (consensus: Uint8Array) => Uint8Array,
  options?: ServeOptions,
): Promise<Uint8Array[]> {
  const read = async (number: number): Promise<Uint8Array | undefined> => {
    const receipts = await chain.receipts?.(number);
    return receipts === undefined ? undefined : convert(receipts);
  };
  return serveByHash(chain, hashes, read, options);
}

/**
 * Looks transactions up in a pool, in the order of `hashes`; those that it does not have are `undefined` or left
 * out. Blob transactions come with their sidecar.
 */
export type PooledTransactions = (
  hashes: readonly Uint8Array[],
) => Iterable<Transaction | undefined> | Promise<Iterable<Transaction | undefined>>;

/** RLP of the transactions that a pool has of `hashes`, in their order. */
export async function servePooledTransactions(
  pool: PooledTransactions | undefined,
  hashes: readonly Uint8Array[],
  { maxLength }: ServeOptions = {},
): Promise<Uint8Array[]> {
  const answer = new Answer(maxLength);
  if (pool === undefined || hashes.length === 0) return answer.items;
  for (const transaction of await pool(hashes)) {
    if (answer.isClosed || answer.items.length === MAX_SERVED_TRANSACTIONS) break;
    if (transaction !== undefined && !answer.add(encode(transactionCodec, transaction))) break;
  }
  return answer.items;
}

async function serveByHash(
  chain: ChainReader,
  hashes: readonly Uint8Array[],
  read: (number: number) => Promise<Uint8Array | undefined>,
  { maxLength, signal }: ServeOptions = {},
): Promise<Uint8Array[]> {
  const answer = new Answer(maxLength);
  for (const hash of hashes) {
    if (signal?.aborted || answer.isClosed) break;
    const number = await chain.numberOf(hash);
    const item = number === undefined ? undefined : await read(number);
    if (item === undefined || !answer.add(item)) break;
  }
  return answer.items;
}

/** What requests are answered from. */
export interface ServeContext {
  readonly version: EthVersion;
  readonly chain: ChainReader;
  readonly pooledTransactions?: PooledTransactions | undefined;
  readonly signal?: AbortSignal | undefined;
}

export type EthRequest = Extract<EthMessage, { readonly kind: 'request' }>;

/** Gives the items of an answer of so many bytes, and one at least. */
export type LookUp = (maxLength?: number) => Promise<Uint8Array[]>;

type Prepare<N extends RequestName> = (request: MessageValues[N], context: ServeContext) => LookUp;

const PREPARE: { readonly [N in RequestName]: Prepare<N> } = {
  GetBlockHeaders: ({ query }, { chain, signal }) => {
    const { start } = query;
    const own = { ...query, start: typeof start === 'bigint' ? start : start.slice() };
    return (maxLength) => serveBlockHeaders(chain, own, { maxLength, signal });
  },
  GetBlockBodies: (request, { chain, signal }) => {
    const hashes = packed(request.hashes, MAX_SERVED_BLOCKS);
    return (maxLength) => serveBlockBodies(chain, unpacked(hashes), { maxLength, signal });
  },
  GetPooledTransactions: (request, { pooledTransactions }) => {
    const hashes = packed(request.hashes, MAX_SERVED_TRANSACTIONS);
    return (maxLength) => servePooledTransactions(pooledTransactions, unpacked(hashes), { maxLength });
  },
  GetReceipts: (request, { version, chain, signal }) => {
    const hashes = packed(request.hashes, MAX_SERVED_BLOCKS);
    const asKept = (receipts: Uint8Array): Uint8Array => receipts;
    const convert = messageRow(version, 'Receipts')?.fromChain ?? asKept;
    return (maxLength) => serveReceipts(chain, unpacked(hashes), convert, { maxLength, signal });
  },
};

/** What one item of an answer rarely exceeds, in bytes: a header, a body with its receipts, a blob transaction. */
const ITEM_ROOM = { header: 1024, other: 128 * 1024 } as const;

/** How many bytes the answer to a request may well have, by what it asks for. */
export function answerRoom({ name, value }: EthRequest): number {
  const room =
    name === 'GetBlockHeaders'
      ? Math.min(Number(value.query.limit), MAX_SERVED_BLOCKS) * ITEM_ROOM.header
      : value.hashes.length * ITEM_ROOM.other;
  return Math.min(room, SOFT_RESPONSE_LIMIT);
}

/**
 * Copies what of a request is answered, and returns what looks the items of the answer up. Hashes beyond the
 * limits are not looked at.
 * @throws PeerlaneError `rlp-unexpected` for something in the request that is no hash
 */
export function prepareAnswer(request: EthRequest, context: ServeContext): LookUp {
  return prepare(request.name, request.value as MessageValues[RequestName], context);
}

function prepare<N extends RequestName>(name: N, value: MessageValues[N], context: ServeContext): LookUp {
  return PREPARE[name](value, context);
}

/** The first `max` hashes, copied: a request that waits must not keep its message, nor an object for each hash. */
function packed(hashes: RlpList<Uint8Array>, max: number): Uint8Array {
  const count = Math.min(hashes.length, max);
  const bytes = new Uint8Array(HASH_LENGTH * count);
  let at = 0;
  for (const hash of hashes) {
    if (at === bytes.length) break;
    bytes.set(hash, at);
    at += HASH_LENGTH;
  }
  return bytes;
}

function unpacked(bytes: Uint8Array): Uint8Array[] {
  const hashes: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += HASH_LENGTH) hashes.push(bytes.subarray(at, at + HASH_LENGTH));
  return hashes;
}
