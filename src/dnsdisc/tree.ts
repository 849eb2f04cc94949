/** A whole tree: made from records and links, or put together again from its entries. */
import { compareBytes } from '../base/bytes.ts';
import { PeerlaneError } from '../base/errors.ts';
import { publicKeyOf } from '../crypto/index.ts';
import { NodeRecord } from '../enr/index.ts';
import { formatBranch, hashOf, MAX_CHILDREN, parseEntry, textOf } from './entry.ts';
import { formatRoot, MAX_SEQ, rootOf, signRoot, type TreeRoot } from './root.ts';
import { depthFirst, Subtree } from './subtree.ts';
import { formatTreeUrl, parseTreeUrl, type TreeUrl } from './tree-url.ts';

/** Entries of a tree that is read as a whole; some hundred bytes each. */
export const MAX_TREE_ENTRIES = 131_072;

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
 * @throws PeerlaneError `invalid-argument`, `invalid-secret-key`, `invalid-tree-url` for a domain that is none
 */
export function signTree(content: TreeContent, secretKey: Uint8Array): Tree {
  const { domain, seq, records, links = [] } = checked(content);
  const url = parseTreeUrl(formatTreeUrl({ publicKey: publicKeyOf(secretKey), domain }));
  const entries = new Map<string, string>();
  const nodes = newestOfEach(records);
  const linkTexts = [...new Set(links.map(formatTreeUrl))];
  const recordsHash = subtreeOf(
    nodes.map((record) => record.toString()),
    entries,
  );
  const linksHash = subtreeOf(linkTexts, entries);
  const root = signRoot({ recordsHash, linksHash, seq }, secretKey);
  return { url, root, entries, records: nodes, links: linkTexts.map(parseTreeUrl), ignored: [] };
}

function checked(content: TreeContent): TreeContent {
  if (typeof content !== 'object' || content === null) throw invalidArgument('the content is not an object');
  const { seq, records, links } = content;
  if (typeof seq !== 'bigint' || seq < 0n || seq > MAX_SEQ) {
    throw invalidArgument('seq is not a bigint below 2^64');
  }
  if (!Array.isArray(records) || !records.every((record) => record instanceof NodeRecord)) {
    throw invalidArgument('records is not an array of NodeRecords');
  }
  if (links !== undefined && !Array.isArray(links)) throw invalidArgument('links is not an array');
  return content;
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
 * @throws PeerlaneError `invalid-tree` if the signature or an entry is missing or wrong, or there are too many
 */
export function readTree(url: TreeUrl, textsAt: (name: string) => readonly string[] | undefined): Tree {
  const root = rootOf(textsAt(url.domain) ?? [], url.publicKey);
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
      const text = textOf(textsAt(`${place.hash}.${url.domain}`) ?? [], place.hash);
      entries.set(place.hash, text);
      const entry = parseEntry(text);
      if (entry.kind === 'branch') {
        if (!subtree.add(place, entry.children)) throw invalidTree('the tree is too deep or too large');
      } else if (entry.kind === 'ignored') ignored.push(entry.reason);
      else if (entry.kind !== kind) ignored.push(misplaced(place.hash, entry.kind));
      else if (entry.kind === 'record') records.push(entry.record);
      else links.set(formatTreeUrl(entry.url), entry.url);
    }
  }
  return { url, root, entries, records, links: [...links.values()], ignored };
}

/** The error for a record among links, or a link among records. */
export function misplaced(hash: string, kind: 'record' | 'link'): PeerlaneError {
  return invalidTree(`${hash} is a ${kind}, and stands in the wrong subtree`);
}

/** All TXT records of a tree, the root first: full names without a dot at the end, and their texts. */
export function treeTexts({ url, root, entries }: Tree): Map<string, string> {
  const texts = new Map([[url.domain, formatRoot(root)]]);
  for (const [hash, text] of entries) texts.set(`${hash}.${url.domain}`, text);
  return texts;
}

function invalidArgument(message: string): PeerlaneError {
  return new PeerlaneError('invalid-argument', message);
}

function invalidTree(message: string): PeerlaneError {
  return new PeerlaneError('invalid-tree', message);
}
