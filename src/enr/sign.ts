/** The making of records (enr.md, "RLP Encoding"). */
import { checkObject, checkUint64, invalidArgument, reading } from '../base/checks.ts';
import { errorText, PeerlaneError } from '../base/errors.ts';
import { COMPACT_SIGNATURE_LENGTH, publicKeyOf } from '../crypto/index.ts';
import { bigUint, bytes, checkWellFormed, encode, encodeList } from '../rlp/index.ts';
import { type Entries, type EntryKey, encodeEntry, isEntryKey } from './entries.ts';
import { compressPublicKey, signContent } from './identity.ts';
import { checkRecordSize, keyBytes, MAX_RECORD_SIZE, NodeRecord, SCHEME } from './record.ts';

/** The RLP of the value under each key; a character of a key is one byte. */
export type Pairs = ReadonlyMap<string, Uint8Array>;

/** Entries to set, or to take out: `undefined`. */
export type EntryChanges = {
  readonly [K in Exclude<EntryKey, 'id' | 'secp256k1'>]?: Entries[K] | undefined;
};

/** As `EntryChanges`, for entries that are not in `Entries`: the RLP of each value. A character of a key is one byte. */
export type OtherChanges = ReadonlyMap<string, Uint8Array | undefined>;

/** What a record is made of besides the signature; `id` and `secp256k1` follow from the secret key. */
export interface RecordContent {
  /** Goes up whenever the record changes; below 2^64. */
  readonly seq: bigint;
  readonly entries?: EntryChanges;
  /** Entries that are not in `Entries`: the RLP of each value. A character of a key is one byte. */
  readonly others?: OtherChanges;
}

const sequence = bigUint(64);
const anyBytes = bytes();
const NO_SIGNATURE = new Uint8Array(COMPACT_SIGNATURE_LENGTH);

/**
 * Makes and signs a record.
 *
 * @throws PeerlaneError `invalid-secret-key`; `invalid-argument` for a value or key that does not fit its type;
 * `invalid-record` if the result is over 300 bytes
 */
export function signRecord(secretKey: Uint8Array, content: RecordContent): NodeRecord {
  const publicKey = publicKeyOf(secretKey);
  const { seq, entries, others } = contentRead(content);
  const pairs = changedPairs(identityPairs(publicKey), entries, others);
  checkPairs(seq, pairs);
  return signPairs(secretKey, publicKey, seq, pairs);
}

/** The parts of a content, which are copies of what the caller has. @throws PeerlaneError `invalid-argument` */
export function contentRead(content: RecordContent): RecordContent {
  return reading('the content of a record', () => {
    checkObject('the content of a record', content);
    const { seq, entries = {}, others = new Map() } = content;
    checkUint64('seq', seq);
    return { seq, entries, others };
  });
}

/** The entries that every record of the "v4" identity scheme has. */
export function identityPairs(publicKey: Uint8Array): Pairs {
  return new Map([
    ['id', encodeEntry('id', SCHEME)],
    ['secp256k1', encodeEntry('secp256k1', compressPublicKey(publicKey))],
  ]);
}

/**
 * `pairs` with changes applied, in the order of a record.
 * @throws PeerlaneError `invalid-argument` for a value or key that does not fit its type
 */
export function changedPairs(
  pairs: Pairs,
  entries: EntryChanges = {},
  others: OtherChanges = new Map(),
): Pairs {
  checkObject('entries', entries);
  if (!(others instanceof Map)) throw invalidArgument('others is not a Map');
  const changed = new Map(pairs);
  for (const key of reading('entries', () => Object.keys(entries))) put(changed, key, entryOf(key, entries));
  for (const [key, value] of reading('others', () => [...others])) {
    if (typeof key !== 'string') throw invalidArgument('a key is not a string');
    if (isEntryKey(key)) throw invalidArgument(`the entry "${key}" has a type: set it so`);
    keyBytes(key);
    if (value !== undefined) checkValue(key, value);
    put(changed, key, value && new Uint8Array(value));
  }
  return new Map([...changed].sort(([a], [b]) => (a < b ? -1 : 1)));
}

function put(pairs: Map<string, Uint8Array>, key: string, value: Uint8Array | undefined): void {
  if (value === undefined) pairs.delete(key);
  else pairs.set(key, value);
}

function entryOf(key: string, entries: EntryChanges): Uint8Array | undefined {
  if (!isEntryKey(key)) throw invalidArgument(`no entry with a type is called "${key}"`);
  if (key === 'id' || key === 'secp256k1')
    throw invalidArgument(`the entry "${key}" follows from the secret key`);
  return encodedEntry(key, entries);
}

function encodedEntry<K extends keyof EntryChanges>(
  key: K,
  entries: { readonly [Key in K]?: Entries[Key] | undefined },
): Uint8Array | undefined {
  try {
    const value = entries[key];
    return value === undefined ? undefined : encodeEntry(key, value);
  } catch (error) {
    throw invalidArgument(`the entry "${key}" is not what it should be: ${errorText(error)}`, error);
  }
}

function checkValue(key: string, value: Uint8Array): void {
  if (!(value instanceof Uint8Array)) throw invalidArgument(`the value of "${key}" is not a Uint8Array`);
  try {
    checkWellFormed(value, { maxDepth: MAX_RECORD_SIZE });
  } catch (error) {
    throw new PeerlaneError('invalid-argument', `the value of "${key}" is not RLP`, { cause: error });
  }
}

/**
 * Whether a record of `pairs` can be made.
 * @throws PeerlaneError `invalid-argument` for a number that is none of 64 bits, `invalid-record` for more than 300 bytes
 */
export function checkPairs(seq: bigint, pairs: Pairs): void {
  checkRecordSize(encoded(NO_SIGNATURE, contentOf(seq, pairs)).length);
}

/** Signs what `checkPairs` lets pass. @throws PeerlaneError `invalid-secret-key` */
export function signPairs(
  secretKey: Uint8Array,
  publicKey: Uint8Array,
  seq: bigint,
  pairs: Pairs,
): NodeRecord {
  const content = contentOf(seq, pairs);
  const signature = signContent(encodeList(content), secretKey);
  return new NodeRecord(encoded(signature, content), seq, publicKey);
}

function contentOf(seq: bigint, pairs: Pairs): Uint8Array[] {
  const content = [encode(sequence, seq)];
  for (const [key, value] of pairs) content.push(encode(anyBytes, keyBytes(key)), value);
  return content;
}

function encoded(signature: Uint8Array, content: readonly Uint8Array[]): Uint8Array {
  return encodeList([encode(anyBytes, signature), ...content]);
}
