/** Reading a whole tree, entry by entry. */
import { isPeerlaneError, PeerlaneError } from '../base/errors.ts';
import type { NodeRecord } from '../enr/index.ts';
import { type Entry, parseEntry, type Texts, textOf } from './entry.ts';
import { pauseAfter } from './pauses.ts';
import { formatRoot, rootOf } from './root.ts';
import { depthFirst, type Place, Subtree } from './subtree.ts';
import { MAX_TREE_ENTRIES, readTree, type Tree } from './tree.ts';
import type { TreeUrl } from './tree-url.ts';

/** How often a root or an entry is asked for before the tree is given up. */
export const SYNC_ATTEMPTS = 4;

/** Characters of all entries together: a hundred thousand records take some 25 million. */
export const MAX_TREE_LENGTH = 64 * 1024 * 1024;

export interface SyncProgress {
  /** Entries that have been read. */
  readonly done: number;
  /** Entries that are known of so far. */
  readonly known: number;
}

export interface SyncEnvironment {
  readonly minSeq: bigint;
  readonly lookup: (name: string) => Promise<Texts>;
  readonly pause: (ms: number) => Promise<void>;
  readonly onProblem: (problem: PeerlaneError, name: string) => void;
  readonly onProgress: (progress: SyncProgress) => void;
  readonly onRecord: (record: NodeRecord) => void;
}

/** @throws PeerlaneError as `DnsClient.sync` says */
export async function syncTree(url: TreeUrl, environment: SyncEnvironment): Promise<Tree> {
  const { minSeq, onProgress, onRecord } = environment;
  const root = await attempt(url.domain, environment, (texts) => rootOf(texts, url.publicKey));
  if (root.seq < minSeq) {
    throw new PeerlaneError(
      'invalid-tree',
      `the root of ${url.domain} is older than one that was there before`,
      {
        details: { seq: root.seq, newest: minSeq },
      },
    );
  }
  const found = new Map([[url.domain, formatRoot(root)]]);
  let [before, done, length] = [1, 1, 0];
  for (const top of [root.linksHash, root.recordsHash]) {
    const subtree = new Subtree(top, MAX_TREE_ENTRIES);
    for (;;) {
      const place = subtree.take(depthFirst);
      if (place === undefined) break;
      const name = `${place.hash}.${url.domain}`;
      const text = await attempt(name, environment, (texts) => textOf(texts, place.hash));
      found.set(name, text);
      length += text.length;
      if (length > MAX_TREE_LENGTH) throw new PeerlaneError('invalid-tree', 'the tree is too large');
      const entry = parseEntry(text);
      visit(subtree, place, entry);
      if (entry.kind === 'record' && top === root.recordsHash) onRecord(entry.record);
      onProgress({ done: ++done, known: before + subtree.size });
    }
    before += subtree.size;
  }
  return readTree(url, (name) => {
    const text = found.get(name);
    return text === undefined ? undefined : [text];
  });
}

function visit(subtree: Subtree, place: Place, entry: Entry): void {
  if (entry.kind === 'branch' && !subtree.add(place, entry.children)) {
    throw new PeerlaneError('invalid-tree', 'the tree is too deep or too large');
  }
}

/** What stands at a name, read by `read`; asked for again when that fails. */
async function attempt<T>(
  name: string,
  { lookup, pause, onProblem }: SyncEnvironment,
  read: (texts: Texts) => T,
): Promise<T> {
  for (let failures = 1; ; failures++) {
    try {
      return read(await lookup(name));
    } catch (error) {
      if (!isPeerlaneError(error) || error.code === 'aborted' || failures === SYNC_ATTEMPTS) throw error;
      onProblem(error, name);
      await pause(pauseAfter(failures));
    }
  }
}
