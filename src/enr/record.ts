/** Ethereum Node Records (EIP-778; enr.md). */
import { PeerlaneError, toPeerlaneError } from '../base/errors.ts';
import { publicKeyOf } from '../crypto/index.ts';
import { bigUint, bytes, decode, encode, encodeList, list, type RlpItem, raw, text } from '../rlp/index.ts';
import { decodeEntry, type Entries, type EntryKey, encodeEntry, isEntryKey } from './entries.ts';
import { compressPublicKey, nodeIdOf, signContent, verifyContent } from './identity.ts';

/** The longest encoding of a record, in bytes. */
export const MAX_RECORD_SIZE = 300;

const TEXT_PREFIX = 'enr:';
const MAX_TEXT_LENGTH = TEXT_PREFIX.length + Math.ceil((MAX_RECORD_SIZE * 4) / 3);
const SCHEME = 'v4';

/** As many items as fit into the size: one byte is the shortest. */
const items = list(raw, { min: 2, max: MAX_RECORD_SIZE });
const signatureCodec = bytes(64);
const sequence = bigUint(64);
const schemeName = text(32);
const compressedKey = bytes(33);

/** What a record is made of besides the signature; `id` and `secp256k1` follow from the secret key. */
export interface RecordContent {
  /** Goes up whenever the record changes; below 2^64. */
  readonly seq: bigint;
  readonly entries?: Partial<Omit<Entries, 'id' | 'secp256k1'>>;
  /** Entries that are not in `Entries`: the RLP of each value. A character of a key is one byte. */
  readonly others?: ReadonlyMap<string, Uint8Array>;
}

/** A record whose signature has been checked. */
export class NodeRecord {
  /** The RLP of the record. */
  readonly encoded: Uint8Array;
  readonly seq: bigint;
  /** 64 bytes. */
  readonly publicKey: Uint8Array;
  readonly #pairs: ReadonlyMap<string, Uint8Array>;

  /** Records come from `decodeRecord`, `parseRecord` and `signRecord`. */
  constructor(
    encoded: Uint8Array,
    seq: bigint,
    publicKey: Uint8Array,
    pairs: ReadonlyMap<string, Uint8Array>,
  ) {
    this.encoded = encoded;
    this.seq = seq;
    this.publicKey = publicKey;
    this.#pairs = pairs;
  }

  /** Keccak-256 of the public key: 32 bytes. */
  get nodeId(): Uint8Array {
    return nodeIdOf(this.publicKey);
  }

  /** All keys in their order, those without a known meaning too; a character is one byte. */
  keys(): string[] {
    return [...this.#pairs.keys()];
  }

  /**
   * The value of a known entry; `undefined` if the record lacks it, or has something else under its key. Such a
   * record is valid all the same: its signature says who made it, not that it makes sense.
   */
  get<K extends EntryKey>(key: K): Entries[K] | undefined {
    const encoded = this.#pairs.get(key);
    if (encoded === undefined) return undefined;
    try {
      return decodeEntry(key, encoded);
    } catch (error) {
      if (error instanceof PeerlaneError) return undefined;
      throw error;
    }
  }

  /** The RLP of the value under any key. */
  raw(key: string): Uint8Array | undefined {
    return this.#pairs.get(key);
  }

  /** The text form: `enr:` and unpadded base64url. */
  toString(): string {
    return TEXT_PREFIX + Buffer.from(this.encoded).toString('base64url');
  }
}

/**
 * Reads the RLP of a record and verifies it: canonical, at most 300 bytes, keys sorted and unique, signed with
 * the "v4" scheme by the key that it holds.
 *
 * @throws PeerlaneError `invalid-record`
 */
export function decodeRecord(encoded: Uint8Array): NodeRecord {
  if (!(encoded instanceof Uint8Array)) throw invalid('the RLP of a record is a Uint8Array');
  if (encoded.length > MAX_RECORD_SIZE) {
    throw invalid(`the record has ${encoded.length} bytes; the limit is ${MAX_RECORD_SIZE}`);
  }
  // The record outlives the packet it came in.
  const own = encoded.slice();
  try {
    return verified(own);
  } catch (error) {
    const known = toPeerlaneError(error);
    if (known.code.startsWith('rlp-')) throw invalid(`the record is not valid RLP: ${known.message}`, known);
    throw error;
  }
}

function verified(encoded: Uint8Array): NodeRecord {
  const [signatureItem, seqItem, ...rest] = decode(items, encoded);
  if (signatureItem === undefined || seqItem === undefined) throw invalid('the record has no content');
  const signature = decode(signatureCodec, signatureItem.encoded);
  const seq = decode(sequence, seqItem.encoded);
  const pairs = pairsOf(rest);
  const scheme = pairs.get('id');
  if (scheme === undefined || decode(schemeName, scheme) !== SCHEME) {
    throw invalid('the record is not of the identity scheme "v4"');
  }
  const key = pairs.get('secp256k1');
  if (key === undefined) throw invalid('the record holds no public key');
  const content = encodeList([seqItem.encoded, ...rest.map((item) => item.encoded)]);
  return new NodeRecord(encoded, seq, verifyContent(content, signature, decode(compressedKey, key)), pairs);
}

function pairsOf(rest: readonly RlpItem[]): Map<string, Uint8Array> {
  if (rest.length % 2 !== 0) throw invalid('the last key of the record has no value');
  const pairs = new Map<string, Uint8Array>();
  let previous: string | undefined;
  for (let i = 0; i + 1 < rest.length; i += 2) {
    const [key, value] = [rest[i], rest[i + 1]];
    if (key === undefined || value === undefined || key.isList)
      throw invalid('a key of the record is a list');
    const name = keyText(key.payload);
    // One character a byte: strings then compare as the bytes do.
    if (previous !== undefined && name <= previous) {
      throw invalid(
        name === previous ? 'a key occurs twice in the record' : 'the keys of the record are not sorted',
      );
    }
    pairs.set(name, value.encoded);
    previous = name;
  }
  return pairs;
}

/** Reads the text form `enr:...`. @throws PeerlaneError `invalid-record` */
export function parseRecord(source: string): NodeRecord {
  if (typeof source !== 'string') throw invalid('the text of a record is a string');
  if (!source.startsWith(TEXT_PREFIX)) throw invalid('a record starts with "enr:"');
  if (source.length > MAX_TEXT_LENGTH) throw invalid(`the record is longer than ${MAX_RECORD_SIZE} bytes`);
  const digits = source.slice(TEXT_PREFIX.length);
  const encoded = new Uint8Array(Buffer.from(digits, 'base64url'));
  // Buffer skips what it does not know, padding and stray bits included; the form is to be the only one.
  if (Buffer.from(encoded).toString('base64url') !== digits)
    throw invalid('the record is not unpadded base64url');
  return decodeRecord(encoded);
}

/**
 * Makes and signs a record.
 *
 * @throws PeerlaneError `invalid-secret-key`; `invalid-argument` for a value or key that does not fit its type;
 * `invalid-record` if the result is over 300 bytes
 */
export function signRecord(secretKey: Uint8Array, { seq, entries = {}, others }: RecordContent): NodeRecord {
  const publicKey = publicKeyOf(secretKey);
  const all: Partial<Entries> = { ...entries, id: SCHEME, secp256k1: compressPublicKey(publicKey) };
  const pairs = new Map<string, Uint8Array>();
  for (const [key, value] of others ?? []) {
    if (isEntryKey(key))
      throw new PeerlaneError('invalid-argument', `the entry "${key}" has a type: set it so`);
    decode(raw, value);
    pairs.set(key, value);
  }
  for (const key of Object.keys(all).filter(isEntryKey)) {
    const encoded = encodedEntry(key, all);
    if (encoded !== undefined) pairs.set(key, encoded);
  }
  const sorted = new Map([...pairs].sort(([a], [b]) => (a < b ? -1 : 1)));
  const content = [encode(sequence, seq)];
  for (const [key, value] of sorted) content.push(encode(bytes(), keyBytes(key)), value);
  const signature = signContent(encodeList(content), secretKey);
  const encoded = encodeList([encode(signatureCodec, signature), ...content]);
  if (encoded.length > MAX_RECORD_SIZE) {
    throw invalid(`the record has ${encoded.length} bytes; the limit is ${MAX_RECORD_SIZE}`);
  }
  return new NodeRecord(encoded, seq, publicKey, sorted);
}

function encodedEntry<K extends EntryKey>(key: K, all: Partial<Entries>): Uint8Array | undefined {
  const value = all[key];
  return value === undefined ? undefined : encodeEntry(key, value);
}

function keyText(key: Uint8Array): string {
  return Buffer.from(key).toString('latin1');
}

function keyBytes(key: string): Uint8Array {
  const encoded = new Uint8Array(Buffer.from(key, 'latin1'));
  if (keyText(encoded) !== key) {
    throw new PeerlaneError('invalid-argument', 'a key has a character that is not a byte');
  }
  return encoded;
}

function invalid(message: string, cause?: PeerlaneError): PeerlaneError {
  return new PeerlaneError('invalid-record', message, cause === undefined ? {} : { cause });
}
