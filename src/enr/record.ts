/** Ethereum Node Records (EIP-778; enr.md). */
import { equalBytes, toLatin1 } from '../base/bytes.ts';
import { checkArray, checkLength, checkUint64, invalidArgument } from '../base/checks.ts';
import { PeerlaneError, toPeerlaneError } from '../base/errors.ts';
import { COMPACT_SIGNATURE_LENGTH, PUBLIC_KEY_LENGTH } from '../crypto/index.ts';
import {
  bigUint,
  bytes,
  checkWellFormed,
  decode,
  encode,
  encodeList,
  list,
  type RlpItem,
  raw,
  text,
} from '../rlp/index.ts';
import { decodeEntry, type Entries, type EntryKey, isEntryKey } from './entries.ts';
import { nodeIdOf, verifyContent } from './identity.ts';

/** The longest encoding of a record, in bytes. */
export const MAX_RECORD_SIZE = 300;

const TEXT_PREFIX = 'enr:';
const MAX_TEXT_LENGTH = TEXT_PREFIX.length + Math.ceil((MAX_RECORD_SIZE * 4) / 3);
/** The identity scheme. */
export const SCHEME = 'v4';
const SCHEME_ITEM = encode(text(32), SCHEME);

/** As many items as fit into the size: one byte is the shortest. */
const items = list(raw, { min: 2, max: MAX_RECORD_SIZE });
const signatureCodec = bytes(COMPACT_SIGNATURE_LENGTH);
const sequence = bigUint(64);
const compressedKey = bytes(33);

/**
 * A record whose signature has been checked. It keeps little more than its bytes, and looks for an entry when it is
 * asked: a node table holds hundreds of records.
 */
export class NodeRecord {
  /** The RLP of the record. */
  readonly encoded: Uint8Array;
  readonly seq: bigint;
  /** 64 bytes. */
  readonly publicKey: Uint8Array;
  #nodeId: Uint8Array | undefined;
  /**
   * Records come from `decodeRecord`, `parseRecord`, `signRecord` and `LocalRecord`.
   * @throws PeerlaneError `invalid-argument` for what has not the form of these parts; the signature is not looked at
   */
  constructor(encoded: Uint8Array, seq: bigint, publicKey: Uint8Array) {
    if (!(encoded instanceof Uint8Array)) throw invalidArgument('the RLP of a record is a Uint8Array');
    checkUint64('seq', seq);
    checkLength('publicKey', publicKey, PUBLIC_KEY_LENGTH);
    this.encoded = encoded;
    this.seq = seq;
    this.publicKey = publicKey;
  }

  /** Keccak-256 of the public key: 32 bytes. */
  get nodeId(): Uint8Array {
    this.#nodeId ??= nodeIdOf(this.publicKey);
    return this.#nodeId;
  }

  /** The RLP of the value under each key, in their order; a character of a key is one byte. */
  get pairs(): Map<string, Uint8Array> {
    const [, , ...rest] = decode(items, this.encoded);
    return pairsOf(rest);
  }

  /** All keys in their order, those without a known meaning too; a character is one byte. */
  keys(): string[] {
    return [...this.pairs.keys()];
  }

  /**
   * The value of a known entry; `undefined` if the record lacks it, or has something else under its key. Such a
   * record is valid all the same: its signature says who made it, not that it makes sense.
   * @throws PeerlaneError `invalid-argument` for a key that is not in `Entries`: `raw` has its value
   */
  get<K extends EntryKey>(key: K): Entries[K] | undefined {
    if (!isEntryKey(key)) throw unknownEntry(key);
    const encoded = this.raw(key);
    return encoded && sensible(key, encoded);
  }

  /**
   * The values of all known entries, or of those under `keys`, each as `get` gives it: sooner than one after the other.
   * @throws PeerlaneError `invalid-argument`
   */
  entries(keys?: readonly EntryKey[]): Partial<Entries> {
    if (keys !== undefined) checkArray('keys', keys);
    const values: { -readonly [K in EntryKey]?: Entries[K] } = {};
    const put = <K extends EntryKey>(key: K, value: Entries[K] | undefined): void => {
      if (value !== undefined) values[key] = value;
    };
    for (const [key, encoded] of this.pairs) {
      if (isEntryKey(key) && (keys?.includes(key) ?? true)) put(key, sensible(key, encoded));
    }
    return values;
  }

  /** The RLP of the value under any key; a character is one byte. @throws PeerlaneError `invalid-argument` */
  raw(key: string): Uint8Array | undefined {
    if (typeof key !== 'string') throw invalidArgument('a key of a record is a string');
    return this.pairs.get(key);
  }

  /** The text form: `enr:` and unpadded base64url. */
  toString(): string {
    return TEXT_PREFIX + Buffer.from(this.encoded).toString('base64url');
  }
}

function unknownEntry(key: unknown): PeerlaneError {
  return invalidArgument(
    `no entry with a type is called "${typeof key === 'string' ? key : typeof key}"; see raw`,
  );
}

function sensible<K extends EntryKey>(key: K, encoded: Uint8Array): Entries[K] | undefined {
  try {
    return decodeEntry(key, encoded);
  } catch (error) {
    if (error instanceof PeerlaneError) return undefined;
    throw error;
  }
}

/** @throws PeerlaneError `invalid-argument` */
export function checkRecord(record: NodeRecord): void {
  if (!(record instanceof NodeRecord))
    throw new PeerlaneError('invalid-argument', 'the record is not a NodeRecord');
}

/**
 * Reads the RLP of a record and verifies it: canonical, at most 300 bytes, keys sorted and unique, signed with
 * the "v4" scheme by the key that it holds.
 *
 * @throws PeerlaneError `invalid-record`
 */
export function decodeRecord(encoded: Uint8Array): NodeRecord {
  if (!(encoded instanceof Uint8Array)) throw invalid('the RLP of a record is a Uint8Array');
  checkRecordSize(encoded.length);
  // The record outlives the packet it came in. What `slice` of a Buffer gives is no copy.
  const own = new Uint8Array(encoded);
  try {
    return verified(own);
  } catch (error) {
    const known = toPeerlaneError(error);
    if (known.code.startsWith('rlp-')) throw invalid(`the record is not valid RLP: ${known.message}`, known);
    throw error;
  }
}

function verified(encoded: Uint8Array): NodeRecord {
  // Whoever decodes all of a packet that the record is relayed in would refuse the packet, and blame us.
  checkWellFormed(encoded, { maxDepth: MAX_RECORD_SIZE });
  const [signatureItem, seqItem, ...rest] = decode(items, encoded);
  if (signatureItem === undefined || seqItem === undefined) throw invalid('the record has no content');
  const signature = decode(signatureCodec, signatureItem.encoded);
  const seq = decode(sequence, seqItem.encoded);
  const pairs = pairsOf(rest);
  const scheme = pairs.get('id');
  if (scheme === undefined || !equalBytes(scheme, SCHEME_ITEM)) {
    throw invalid('the record is not of the identity scheme "v4"');
  }
  const key = pairs.get('secp256k1');
  if (key === undefined) throw invalid('the record holds no public key');
  const content = encodeList([seqItem.encoded, ...rest.map((item) => item.encoded)]);
  return new NodeRecord(encoded, seq, verifyContent(content, signature, decode(compressedKey, key)));
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

/** A character for each byte: strings then compare as the bytes do. */
export function keyText(key: Uint8Array): string {
  return toLatin1(key);
}

/** @throws PeerlaneError `invalid-argument` */
export function keyBytes(key: string): Uint8Array {
  const encoded = new Uint8Array(Buffer.from(key, 'latin1'));
  if (keyText(encoded) !== key) {
    throw new PeerlaneError('invalid-argument', 'a key has a character that is not a byte');
  }
  return encoded;
}

/** @throws PeerlaneError `invalid-record` */
export function checkRecordSize(length: number): void {
  if (length <= MAX_RECORD_SIZE) return;
  throw invalid(`the record has ${length} bytes; the limit is ${MAX_RECORD_SIZE}`);
}

function invalid(message: string, cause?: PeerlaneError): PeerlaneError {
  return new PeerlaneError('invalid-record', message, cause === undefined ? {} : { cause });
}
