/** Reading a whole tree, entry by entry. */
import { throwIfAborted } from '../base/abort.ts';
import { isPeerlaneError, PeerlaneError } from '../base/errors.ts';
import type { NodeRecord } from '../enr/index.ts';
import { parseEntry, type Texts, textOf } from './entry.ts';
import { pauseAfter } from './pauses.ts';
import { rootOf, type TreeRoot } from './root.ts';
import { depthFirst, type Place, Subtree } from './subtree.ts';
import { addChildren, MAX_TREE_ENTRIES, MAX_TREE_LENGTH, type ReadEntry, type Tree, treeOf } from './tree.ts';
import type { TreeUrl } from './tree-url.ts';

/** How often a root or an entry is asked for before it is given up. */
export const SYNC_ATTEMPTS = 4;
/** After so many lookups in a row that failed, the rest of a subtree is given up: more than two branches of ours name. */
export const MAX_SYNC_FAILURES = 32;

export interface SyncProgress {
  /** Entries that have been read. */
  readonly done: number;
  /** Entries that are known of so far. */
  readonly known: number;
}

export interface SyncEnvironment {
  readonly minSeq: bigint;
  readonly signal: AbortSignal | undefined;
  readonly lookup: (name: string) => Promise<Texts>;
  readonly pause: (ms: number) => Promise<void>;
  readonly onProblem: (problem: PeerlaneError, name: string) => void;
  readonly onMissing: (problem: PeerlaneError, name: string) => void;
  readonly onProgress: (progress: SyncProgress) => void;
  readonly onRecord: (record: NodeRecord) => void;
}

/** @throws PeerlaneError as `DnsClient.sync` says */
export async function syncTree(url: TreeUrl, environment: SyncEnvironment): Promise<Tree> {
  const { minSeq, signal, onProgress, onRecord } = environment;
  const root = await readRoot(url, environment);
  if (root.seq < minSeq) {
    const message = `the root of ${url.domain} is older than one that was there before`;
    throw new PeerlaneError('invalid-tree', message, { details: { seq: root.seq, newest: minSeq } });
  }
  const found = new Map<string, ReadEntry>();
  const missing: Missing[] = [];
  let [before, length] = [1, 0];
  for (const top of [root.linksHash, root.recordsHash]) {
    const subtree = new Subtree(top, MAX_TREE_ENTRIES);
    const read = (place: Place, text: string): void => {
      const entry = parseEntry(text);
      found.set(place.hash, { text, entry });
      length += text.length;
      if (length > MAX_TREE_LENGTH) throw new PeerlaneError('invalid-tree', 'the tree is too large');
      if (entry.kind === 'branch') addChildren(subtree, place, entry.children);
      if (entry.kind === 'record' && top === root.recordsHash) onRecord(entry.record);
      onProgress({ done: 1 + found.size, known: before + subtree.size });
    };
    missing.push(...(await readSubtree(subtree, url.domain, environment, read)));
    before += subtree.size;
  }
  const [first] = missing;
  if (first !== undefined) {
    for (const { problem, name } of missing) environment.onMissing(problem, name);
    const others = missing.length === 1 ? '' : ` and ${missing.length - 1} more`;
    const message = `the entry ${first.name}${others} cannot be had: ${first.problem.message}`;
    throw new PeerlaneError(first.problem.code, message, {
      cause: first.problem,
      details: { missing: missing.length, read: 1 + found.size },
    });
  }
  // Whoever was told of the last entry may not want the tree any more.
  throwIfAborted(signal);
  return treeOf(url, root, (hash) => {
    const entry = found.get(hash);
    if (entry === undefined) throw new PeerlaneError('internal', `the entry ${hash} was not read`);
    return entry;
  });
}

interface Missing {
  readonly name: string;
  readonly problem: PeerlaneError;
}

/** What cannot be read is asked for again after all others. Gives what could not be read in the end. */
async function readSubtree(
  subtree: Subtree,
  domain: string,
  { lookup, pause, onProblem }: SyncEnvironment,
  read: (place: Place, text: string) => void,
): Promise<Missing[]> {
  const next = (): { readonly place: Place; readonly name: string } | undefined => {
    const place = subtree.take(depthFirst);
    return place && { place, name: `${place.hash}.${domain}` };
  };
  const missing: Missing[] = [];
  /** How often what has failed was asked for. */
  const attempts = new Map<string, number>();
  for (;;) {
    const again: (Missing & { readonly place: Place })[] = [];
    let [failures, most] = [0, 0];
    for (let entry = next(); entry !== undefined; entry = next()) {
      const { place, name } = entry;
      let text: string;
      try {
        text = textOf(await lookup(name), place.hash);
      } catch (problem) {
        if (!isPeerlaneError(problem) || problem.code === 'aborted') throw problem;
        onProblem(problem, name);
        const tried = (attempts.get(place.hash) ?? 0) + 1;
        attempts.set(place.hash, tried);
        if (tried < SYNC_ATTEMPTS) again.push({ ...entry, problem });
        else missing.push({ name, problem });
        most = Math.max(most, tried);
        if (++failures < MAX_SYNC_FAILURES) continue;
        // Nobody seems to be there any more: the rest is not asked for.
        for (let rest = next(); rest !== undefined; rest = next()) again.push({ ...rest, problem });
        return [...missing, ...again];
      }
      failures = 0;
      attempts.delete(place.hash);
      read(place, text);
    }
    if (again.length === 0) return missing;
    for (const { place } of again) subtree.putBack(place);
    await pause(pauseAfter(most));
  }
}

/** Asked for again when that fails. */
async function readRoot(
  { domain, publicKey }: TreeUrl,
  { lookup, pause, onProblem }: SyncEnvironment,
): Promise<TreeRoot> {
  for (let failures = 1; ; failures++) {
    try {
      return rootOf(await lookup(domain), publicKey);
    } catch (error) {
      if (!isPeerlaneError(error) || error.code === 'aborted' || failures === SYNC_ATTEMPTS) throw error;
      onProblem(error, domain);
      await pause(pauseAfter(failures));
    }
  }
}
