/** What stands below a root: branches, links and records (dnsdisc.md, "DNS Record Structure"). */
import { isPeerlaneError, PeerlaneError } from '../base/errors.ts';
import { keccak256 } from '../crypto/index.ts';
import { type NodeRecord, parseRecord } from '../enr/index.ts';
import { decodeBase32, encodeBase32 } from './encoding.ts';
import { parseTreeUrl, type TreeUrl, URL_PREFIX } from './tree-url.ts';

/** The TXT records of a name: the strings of each put together, in UTF-8 or one character a byte. */
export type Texts = readonly string[];

/** Entries should fit into 512 bytes with their name; a few times that is read all the same. */
export const MAX_ENTRY_LENGTH = 2_048;
/** More records than this at a name are not looked at. */
export const MAX_TEXTS = 64;
/** Names in a branch that is written: with 26 characters and a comma each, what fits into 370 of the 512 bytes. */
export const MAX_CHILDREN = Math.floor(370 / 27);

const BRANCH_PREFIX = 'enrtree-branch:';
const RECORD_PREFIX = 'enr:';
/** Bytes of a digest in a name that we write. */
const HASH_LENGTH = 16;
/** With fewer, another entry of the same name could be found. */
const MIN_HASH_LENGTH = 12;
const MAX_HASH_LENGTH = 32;
const utf8 = new TextEncoder();
const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

export type Entry =
  | { readonly kind: 'branch'; readonly children: readonly string[] }
  | { readonly kind: 'link'; readonly url: TreeUrl }
  | { readonly kind: 'record'; readonly record: NodeRecord }
  /** Of an unknown type, or broken though its hash is right: it will never be of use. */
  | { readonly kind: 'ignored'; readonly reason: PeerlaneError };

/** Whether it can be the name of an entry: 12 to 32 bytes in base32. */
export function isHash(text: string): boolean {
  const length = text.length > 52 ? 0 : (decodeBase32(text)?.length ?? 0);
  return length >= MIN_HASH_LENGTH && length <= MAX_HASH_LENGTH;
}

/** The name of the entry with this text: 26 characters. */
export function hashOf(text: string): string {
  return encodeBase32(keccak256(utf8.encode(text)).subarray(0, HASH_LENGTH));
}

/** The bytes of the text at the name `hash`: in UTF-8 or, as resolvers give them, one character each. */
export function bytesOf(text: string, hash: string): Uint8Array | undefined {
  const length = decodeBase32(hash)?.length ?? 0;
  const isIt = (bytes: Uint8Array): boolean =>
    length > 0 && encodeBase32(keccak256(bytes).subarray(0, length)) === hash;
  const bytes = utf8.encode(text);
  if (isIt(bytes)) return bytes;
  if (bytes.length === text.length || [...text].some((character) => character > '\xff')) return undefined;
  const raw = Uint8Array.from(text, (character) => character.charCodeAt(0));
  return isIt(raw) ? raw : undefined;
}

export function formatBranch(children: readonly string[]): string {
  return BRANCH_PREFIX + children.join(',');
}

/** Reads the text of an entry, whatever it may be. */
export function parseEntry(text: string): Entry {
  try {
    if (text.length > MAX_ENTRY_LENGTH) {
      throw invalid(`the entry has ${text.length} characters; the limit is ${MAX_ENTRY_LENGTH}`);
    }
    if (text.startsWith(BRANCH_PREFIX)) return parseBranch(text.slice(BRANCH_PREFIX.length));
    if (text.startsWith(URL_PREFIX)) return { kind: 'link', url: parseTreeUrl(text) };
    if (text.startsWith(RECORD_PREFIX)) return { kind: 'record', record: parseRecord(text) };
    throw invalid('the entry is of an unknown type');
  } catch (error) {
    if (isPeerlaneError(error)) return { kind: 'ignored', reason: error };
    throw error;
  }
}

function parseBranch(list: string): Entry {
  const children = list === '' ? [] : list.split(',');
  if (!children.every(isHash)) throw invalid('a branch names what is not a base32 hash of 12 to 32 bytes');
  return { kind: 'branch', children };
}

/**
 * The text among the records at a name to which that name belongs: what its bytes are in UTF-8 or, if they are not, one
 * character for each.
 * @throws PeerlaneError `invalid-tree` if there is none
 */
export function textOf(texts: Texts, hash: string): string {
  for (const text of texts.slice(0, MAX_TEXTS)) {
    const bytes = bytesOf(text, hash);
    if (bytes !== undefined) return decoded(bytes) ?? text;
  }
  throw invalid(`there is no entry with the hash ${hash} at its name`);
}

function decoded(bytes: Uint8Array): string | undefined {
  try {
    return strictUtf8.decode(bytes);
  } catch {
    return undefined;
  }
}

function invalid(message: string): PeerlaneError {
  return new PeerlaneError('invalid-tree', message);
}
