/**
 * What the records of a chain store look like. Numbers in keys are big-endian, so that neighbours of the chain
 * are neighbours on the disk.
 *
 * | key                 | value                                  |
 * |---------------------|----------------------------------------|
 * | `format`            | RLP `[version, genesisHash]`           |
 * | `state`             | RLP of `stateCodec`                    |
 * | `h` number (8)      | block hash (32), then RLP of the header |
 * | `b` number (8)      | RLP of the body                        |
 * | `n` block hash (32) | number (8)                             |
 *
 * A record counts only as far as `state` reaches: `h` and `n` up to the header head (an `n` only if the `h` of its
 * number names the same hash), `b` up to the block head. What lies above is a download under way or trash.
 */
import { bigUint, bytes, type Decoded, optional, struct, uint } from '../rlp/index.ts';

export const FORMAT_VERSION = 1;

const ascii = (text: string): Uint8Array => Uint8Array.from(text, (letter) => letter.charCodeAt(0));

export const FORMAT_KEY: Uint8Array = ascii('format');
export const STATE_KEY: Uint8Array = ascii('state');
const HEADER = 0x68;
const BODY = 0x62;
const NUMBER = 0x6e;

export const formatCodec = struct({ version: uint(32), genesisHash: bytes(32) });

/** Wide enough for the sum of as many 256-bit difficulties as there are block numbers. */
const totalDifficulty = bigUint(512);

const pointCodec = struct({
  number: uint(53),
  hash: bytes(32),
  /** Unix seconds. */
  timestamp: uint(53),
  totalDifficulty,
});

const pendingCodec = struct({
  /** The block that the download goes to. */
  topNumber: uint(53),
  topHash: bytes(32),
  topTimestamp: uint(53),
  /** The lowest header that is there. */
  bottomNumber: uint(53),
  /** Hash of the header wanted next, the parent of the lowest. */
  parentHash: bytes(32),
  /** Sum of the difficulties from bottom to top. */
  difficulty: totalDifficulty,
});

/**
 * The pointers into a chain. They change in the same batch as the data they point to, so that at any time, after
 * a crash too, they tell the truth.
 */
export const stateCodec = struct({
  /** The last header that links to the genesis block. */
  headers: pointCodec,
  /** The last block of those whose bodies, from the genesis block on, are there; never above `headers`. */
  blocks: pointCodec,
  /** Numbers above the header head that hold records of a chain that was given up; both 0: there are none. */
  trash: struct({ bottom: uint(53), top: uint(53) }),
  pending: optional(pendingCodec),
});

export const NO_TRASH = { bottom: 0, top: 0 } as const;

export type ChainPoint = Decoded<typeof pointCodec>;
/** Headers that were downloaded from the target downwards and do not reach the stored chain yet. */
export type PendingHeaders = Decoded<typeof pendingCodec>;
export type ChainState = Decoded<typeof stateCodec>;

export const headerKey = (number: number): Uint8Array => numbered(HEADER, number);
export const bodyKey = (number: number): Uint8Array => numbered(BODY, number);

export function numberKey(hash: Uint8Array): Uint8Array {
  const key = new Uint8Array(33);
  key[0] = NUMBER;
  key.set(hash, 1);
  return key;
}

export const numberValue = (number: number): Uint8Array => numbered(NUMBER, number).subarray(1);

/** The number in the value of an `n` record; undefined if it is none. */
export function readNumber(value: Uint8Array): number | undefined {
  if (value.length !== 8) return undefined;
  const view = new DataView(value.buffer, value.byteOffset, 8);
  const number = view.getUint32(0) * 2 ** 32 + view.getUint32(4);
  return Number.isSafeInteger(number) ? number : undefined;
}

export function headerValue(hash: Uint8Array, encoded: Uint8Array): Uint8Array {
  const value = new Uint8Array(32 + encoded.length);
  value.set(hash);
  value.set(encoded, 32);
  return value;
}

/** A stored header. */
export interface StoredHeader {
  readonly number: number;
  readonly hash: Uint8Array;
  /** RLP of the header. */
  readonly encoded: Uint8Array;
}

export function readHeader(number: number, value: Uint8Array): StoredHeader {
  return { number, hash: value.subarray(0, 32), encoded: value.subarray(32) };
}

function numbered(kind: number, number: number): Uint8Array {
  const key = new Uint8Array(9);
  key[0] = kind;
  const view = new DataView(key.buffer);
  view.setUint32(1, Math.floor(number / 2 ** 32));
  view.setUint32(5, number % 2 ** 32);
  return key;
}
