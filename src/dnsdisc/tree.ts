/** A whole tree: made from records and links, or put together again from its entries. */
import { compareBytes } from '../base/bytes.ts';
import {
  checkArray,
  checkFunction,
  checkLength,
  checkObject,
  checkUint64,
  invalidArgument,
  readEach,
  reading,
  refuseThenable,
} from '../base/checks.ts';
import { PeerlaneError } from '../base/errors.ts';
import { publicKeyOf, SIGNATURE_LENGTH } from '../crypto/index.ts';
import { NodeRecord } from '../enr/index.ts';
import {
  type Entry,
  formatBranch,
  hashOf,
  isHash,
  MAX_CHILDREN,
  parseEntry,
  type Texts,
  textOf,
} from './entry.ts';
import { formatRoot, rootOf, signRoot, type TreeRoot } from './root.ts';
import { depthFirst, type Place, Subtree } from './subtree.ts';
import { formatTreeUrl, parseTreeUrl, type TreeUrl } from './tree-url.ts';

/** Entries of a tree that is made, or read as a whole, but the root: 250,000 records, as a node set may have, take 271,000. */
export const MAX_TREE_ENTRIES = 300_000;
/** Characters of all of them together: 250,000 of the longest records take 109 million. */
export const MAX_TREE_LENGTH: number = 128 * 1024 * 1024;

export interface Tree {
  readonly url: TreeUrl;
  readonly root: TreeRoot;
  /** Texts of all entries but the root, by their hashes. */
  readonly entries: ReadonlyMap<string, string>;
  readonly records: readonly NodeRecord[];
  readonly links: readonly TreeUrl[];
  /** Why entries are of no use though their hashes are right: they are of an unknown type, broken, or in the wrong subtree. */
  readonly ignored: readonly PeerlaneError[];
}

export interface TreeContent {
  /** Name at which the tree will stand. */
  readonly domain: string;
  /** Has to go up with every update; below 2^64. */
  readonly seq: bigint;
  /** Of one node the newest is taken. The order makes no difference. */
  readonly records: readonly NodeRecord[];
  /** Trees that are referred to. */
  readonly links?: readonly TreeUrl[];
}

/**
 * Makes and signs a tree.
 * @throws PeerlaneError `invalid-argument`, also when there is more than `MAX_TREE_ENTRIES` or `MAX_TREE_LENGTH`;
 * `invalid-secret-key`, `invalid-tree-url` for a domain that is none
 */
export function signTree(content: TreeContent, secretKey: Uint8Array): Tree {
  const { domain, seq, records, links } = checked(content);
  const url = parseTreeUrl(formatTreeUrl({ publicKey: publicKeyOf(secretKey), domain }));
  const entries = new Map<string, string>();
  const nodes = newestOfEach(records);
  const linkTexts = [...new Set(readEach('links', links, formatTreeUrl))];
  const recordsHash = subtreeOf(
    nodes.map((record) => record.toString()),
    entries,
  );
  const linksHash = subtreeOf(linkTexts, entries);
  checkTreeSize(entries);
  const root = signRoot({ recordsHash, linksHash, seq }, secretKey);
  return { url, root, entries, records: nodes, links: linkTexts.map(parseTreeUrl), ignored: [] };
}

/** Nobody could read what is larger. @throws PeerlaneError `invalid-argument` */
export function checkTreeSize(entries: ReadonlyMap<string, string>): void {
  let length = 0;
  for (const text of entries.values()) length += text.length;
  if (entries.size <= MAX_TREE_ENTRIES && length <= MAX_TREE_LENGTH) return;
  throw invalidArgument(
    `the tree would have ${entries.size} entries of ${length} characters; the limits are ${MAX_TREE_ENTRIES} and ${MAX_TREE_LENGTH}`,
  );
}

/** The parts of a content, copied. */
function checked(content: TreeContent): Required<TreeContent> {
  return reading('the content of a tree', () => {
    checkObject('the content of a tree', content);
    const { domain, seq, records, links = [] } = content;
    checkUint64('seq', seq);
    checkArray('records', records);
    if (!records.every((record) => record instanceof NodeRecord)) {
      throw invalidArgument('records is not an array of NodeRecords');
    }
    checkArray('links', links);
    return { domain, seq, records: [...records], links: [...links] };
  });
}

/** Sorted by node id, so that a tree follows from its content alone. */
function newestOfEach(records: readonly NodeRecord[]): NodeRecord[] {
  const newest = new Map<string, { readonly id: Uint8Array; readonly record: NodeRecord }>();
  for (const record of records) {
    const id = record.nodeId;
    const key = Buffer.from(id).toString('hex');
    const before = newest.get(key);
    if (before === undefined || record.seq > before.record.seq) newest.set(key, { id, record });
  }
  return [...newest.values()].sort((a, b) => compareBytes(a.id, b.id)).map(({ record }) => record);
}

/** Puts leaves and the branches above them into `entries`; the hash of the topmost. */
function subtreeOf(leaves: readonly string[], entries: Map<string, string>): string {
  const add = (text: string): string => {
    const hash = hashOf(text);
    entries.set(hash, text);
    return hash;
  };
  let level = leaves.map(add);
  if (level.length === 0) return add(formatBranch([]));
  while (level.length > 1) {
    const above: string[] = [];
    for (let at = 0; at < level.length; at += MAX_CHILDREN) {
      const children = level.slice(at, at + MAX_CHILDREN);
      const [only = ''] = children;
      above.push(children.length === 1 ? only : add(formatBranch(children)));
    }
    level = above;
  }
  return level[0] ?? '';
}

/**
 * Reads a tree from the TXT records of its names, and verifies all of it. Records of other names are not looked at.
 * @throws PeerlaneError `invalid-tree` if the signature or an entry is missing or wrong, or there are too many;
 * `invalid-argument`, `invalid-public-key`, `invalid-tree-url`
 */
export function readTree(of: TreeUrl, textsAt: (name: string) => readonly string[] | undefined): Tree {
  const url = parseTreeUrl(formatTreeUrl(of));
  checkFunction('textsAt', textsAt);
  const root = rootOf(textsFrom(textsAt, url.domain), url.publicKey);
  return treeOf(url, root, (hash) => {
    const text = textOf(textsFrom(textsAt, `${hash}.${url.domain}`), hash);
    return { text, entry: parseEntry(text) };
  });
}

/** An entry that has been verified. */
export interface ReadEntry {
  readonly text: string;
  readonly entry: Entry;
}

/**
 * The tree below a root that has been verified.
 * @throws PeerlaneError `invalid-tree` if it is too deep or too large, and what `entryAt` throws
 */
export function treeOf(url: TreeUrl, root: TreeRoot, entryAt: (hash: string) => ReadEntry): Tree {
  const entries = new Map<string, string>();
  const records: NodeRecord[] = [];
  const links = new Map<string, TreeUrl>();
  const ignored: PeerlaneError[] = [];
  for (const [hash, kind] of [
    [root.linksHash, 'link'],
    [root.recordsHash, 'record'],
  ] as const) {
    const subtree = new Subtree(hash, MAX_TREE_ENTRIES);
    for (;;) {
      const place = subtree.take(depthFirst);
      if (place === undefined) break;
      const { text, entry } = entryAt(place.hash);
      entries.set(place.hash, text);
      if (entry.kind === 'branch') addChildren(subtree, place, entry.children);
      else if (entry.kind === 'ignored') ignored.push(entry.reason);
      else if (entry.kind !== kind) ignored.push(misplaced(place.hash, entry.kind));
      else if (entry.kind === 'record') records.push(entry.record);
      else links.set(formatTreeUrl(entry.url), entry.url);
    }
  }
  return { url, root, entries, records, links: [...links.values()], ignored };
}

/** Has what a branch names visited. @throws PeerlaneError `invalid-tree` */
export function addChildren(subtree: Subtree, place: Place, children: readonly string[]): void {
  if (!subtree.add(place, children)) throw invalidTree('the tree is too deep or too large');
}

/** The error for a record among links, or a link among records. */
export function misplaced(hash: string, kind: 'record' | 'link'): PeerlaneError {
  return invalidTree(`${hash} is a ${kind}, and stands in the wrong subtree`);
}

function textsFrom(textsAt: (name: string) => readonly string[] | undefined, name: string): Texts {
  return reading('what textsAt gives', () => {
    const texts = textsAt(name);
    refuseThenable('textsAt', texts);
    if (texts === undefined) return [];
    checkArray('what textsAt gives', texts);
    return texts.filter((text) => typeof text === 'string');
  });
}

/**
 * All TXT records of a tree, the root first: full names without a dot at the end, and their texts.
 * @throws PeerlaneError `invalid-argument`, `invalid-public-key`, `invalid-tree-url` for what is no tree
 */
export function treeTexts(tree: Tree): Map<string, string> {
  checkTree(tree);
  const { url, root, entries } = tree;
  const texts = new Map([[url.domain, formatRoot(root)]]);
  for (const [hash, text] of entries) texts.set(`${hash}.${url.domain}`, text);
  return texts;
}

/**
 * Whether a tree has the form of one; signature and hashes are not looked at.
 * @throws PeerlaneError `invalid-argument`, `invalid-public-key`, `invalid-tree-url`
 */
export function checkTree(tree: Tree): void {
  reading('the tree', () => {
    checkObject('the tree', tree);
    const { url, root, entries } = tree;
    formatTreeUrl(url);
    checkObject('the root of the tree', root);
    checkUint64('the seq of the tree', root.seq);
    checkLength('the signature of the tree', root.signature, SIGNATURE_LENGTH);
    for (const hash of [root.recordsHash, root.linksHash]) checkHash(hash);
    if (!(entries instanceof Map)) throw invalidArgument('the entries of the tree are not a Map');
    for (const [hash, text] of entries) {
      checkHash(hash);
      if (typeof text !== 'string') throw invalidArgument(`the entry ${hash} of the tree is not a string`);
    }
  });
}

function checkHash(hash: unknown): void {
  if (typeof hash !== 'string' || !isHash(hash))
    throw invalidArgument('a name in the tree is no hash of an entry');
}

function invalidTree(message: string): PeerlaneError {
  return new PeerlaneError('invalid-tree', message);
}
