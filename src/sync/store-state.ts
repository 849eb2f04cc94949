import { equalBytes, toHex } from '../base/bytes.ts';
import { type ErrorCode, isPeerlaneError, PeerlaneError } from '../base/errors.ts';
import type { KeyValueStore, KvChange } from '../base/kv.ts';
import { keccak256 } from '../crypto/index.ts';
import type { Genesis } from '../eth/genesis.ts';
import { type Header, headerCodec } from '../eth/header.ts';
import { decode, encode } from '../rlp/index.ts';
import type { ChainPoint, ChainState, PendingHeaders, StoredHeader } from './records.ts';
import * as records from './records.ts';

/** The genesis block that a store belongs to: what `parseGenesis` gives will do. */
export type StoreGenesis = Pick<Genesis, 'headerEncoding' | 'bodyEncoding'>;

/** What the store looks at in a header. */
export type HeaderLinks = Pick<Header, 'parentHash' | 'difficulty' | 'timestamp'>;

/** A header with its RLP, and what was worked out of it. */
export interface HeaderEntry extends StoredHeader {
  readonly header: HeaderLinks;
}

/** A body, in RLP and checked against its header. */
export interface BodyEntry extends Omit<HeaderEntry, 'encoded'> {
  readonly body: Uint8Array;
}

export interface BlockEntry extends HeaderEntry, BodyEntry {}

export function genesisEntry({ headerEncoding: encoded, bodyEncoding: body }: StoreGenesis): BlockEntry {
  const header = decode(headerCodec, encoded);
  return { number: 0, hash: keccak256(encoded), encoded, header, body };
}

/** The state of an existing store; undefined when it is new. */
export async function readState(kv: KeyValueStore, genesisHash: Uint8Array): Promise<ChainState | undefined> {
  const format = await kv.get(records.FORMAT_KEY);
  if (format === undefined) {
    if (await kv.isEmpty()) return undefined;
    throw damaged('it holds records but not the one that says whose they are');
  }
  const { version, genesisHash: owner } = readable(() => decode(records.formatCodec, format));
  if (version !== records.FORMAT_VERSION) {
    const versions = `is of version ${version}, this release reads version ${records.FORMAT_VERSION}`;
    throw new PeerlaneError('store-mismatch', `the chain store ${versions}`);
  }
  if (!equalBytes(owner, genesisHash)) {
    const message = `the chain store belongs to genesis ${toHex(owner)}, not to ${toHex(genesisHash)}`;
    throw new PeerlaneError('store-mismatch', message);
  }
  const value = present(await kv.get(records.STATE_KEY), 'the record of its heads is missing');
  return readable(() => decode(records.stateCodec, value));
}

export async function create(kv: KeyValueStore, genesis: BlockEntry): Promise<ChainState> {
  const point = after({ number: -1, hash: genesis.hash, timestamp: 0, totalDifficulty: 0n }, genesis);
  const state: ChainState = { headers: point, blocks: point, trash: records.NO_TRASH, pending: undefined };
  const format = { version: records.FORMAT_VERSION, genesisHash: genesis.hash };
  await kv.batch([
    ...headerChanges(genesis),
    { key: records.bodyKey(0), value: genesis.body },
    { key: records.FORMAT_KEY, value: encode(records.formatCodec, format) },
    { key: records.STATE_KEY, value: encode(records.stateCodec, state) },
  ]);
  return state;
}

export function headerChanges({ number, hash, encoded }: StoredHeader): KvChange[] {
  return [
    { key: records.headerKey(number), value: records.headerValue(hash, encoded) },
    { key: records.numberKey(hash), value: records.numberValue(number) },
  ];
}

export function after(head: ChainPoint, { number, hash, header }: BodyEntry): ChainPoint {
  const totalDifficulty = head.totalDifficulty + header.difficulty;
  return { number, hash, timestamp: header.timestamp, totalDifficulty };
}

export function below(
  pending: PendingHeaders | undefined,
  { number, hash, header }: HeaderEntry,
): PendingHeaders {
  const { parentHash, difficulty, timestamp } = header;
  if (pending === undefined) {
    const top = { topNumber: number, topHash: hash, topTimestamp: timestamp };
    return { ...top, bottomNumber: number, parentHash, difficulty };
  }
  if (number !== pending.bottomNumber - 1 || !equalBytes(hash, pending.parentHash)) throw departs(number);
  return { ...pending, bottomNumber: number, parentHash, difficulty: pending.difficulty + difficulty };
}

export function requireNext(head: ChainPoint, { number, header }: BodyEntry): void {
  if (number !== head.number + 1 || !equalBytes(header.parentHash, head.hash)) throw departs(number);
}

export function departs(number: number): PeerlaneError {
  return new PeerlaneError('store-mismatch', `block ${number} does not continue the stored chain`, {
    details: { number },
  });
}

export function isWithin(number: number, last: number): boolean {
  return Number.isInteger(number) && number >= 0 && number <= last;
}

export function headerOf(number: number, value: Uint8Array | undefined): StoredHeader {
  const stored = present(value, `the header of block ${number} is missing`);
  if (stored.length <= 32) throw damaged(`the header of block ${number} is cut off`);
  return records.readHeader(number, stored);
}

export function decodeStored(encoded: Uint8Array): Header {
  return readable(() => decode(headerCodec, encoded));
}

export function present<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw damaged(what);
  return value;
}

/** A record that does not decode was not written by us. */
export function readable<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    const code: ErrorCode | undefined = isPeerlaneError(error) ? error.code : undefined;
    if (code?.startsWith('rlp-')) throw damaged('a record cannot be decoded', error);
    throw error;
  }
}

export function damaged(what: string, cause?: unknown): PeerlaneError {
  return new PeerlaneError('store-damaged', `the chain store is damaged: ${what}`, { cause });
}
