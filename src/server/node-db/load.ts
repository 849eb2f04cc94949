/** Reads a store into the index, and begins a new one where the old one is damaged. */
import { throwIfAborted } from '../../base/abort.ts';
import type { Env } from '../../base/env.ts';
import { isPeerlaneError, PeerlaneError } from '../../base/errors.ts';
import type { ScannableStore } from '../../base/kv.ts';
import { clear, putBack, setAsideRepaired } from '../../io/level-repair.ts';
import { type LevelOptions, LevelStore } from '../../io/level-store.ts';
import { requireLevel } from '../../io/level-there.ts';
import { decode, encode, struct, uint } from '../../rlp/index.ts';
import type { NodeDatabaseEvent } from './events.ts';
import { isOwnKey, nameOfKey, VERSION_KEY } from './keys.ts';
import { decodeNode, type NodeValue } from './stored-node.ts';

const VERSION = 2;
const versionCodec = struct({ version: uint(32) });

const LEVEL: LevelOptions = {
  what: 'the node database',
  // Nodes are small, and most are read rarely.
  writeBufferBytes: 1024 * 1024,
  readCacheBytes: 1024 * 1024,
  // All of it: 20,000 nodes are at most some 20 MB.
  checkedBytes: Number.POSITIVE_INFINITY,
};

const DAMAGED_ADVICE = 'a node that is started with it sets it aside, and begins with what can be read of it';

/** Nodes read at a time, in about a millisecond. */
const SCAN_LENGTH = 256;

/** What is done with a store that can be read so far; it is called again with another when that is found damaged. */
export type Use<T> = (store: ScannableStore) => Promise<T>;

/**
 * Opens the directory `path` and reads it with `use`, which owns the store and closes it when it throws. Where either
 * finds damage, the directory is set aside, and `use` gets a new one, with what could be read of the old one.
 *
 * @throws PeerlaneError `store-locked`, `file-unreadable`, and what `use` throws but `store-damaged`
 */
export async function openWhole<T>(
  path: string,
  use: Use<T>,
  env: Env,
  onEvent: (event: NodeDatabaseEvent) => void,
): Promise<T> {
  const open = async (): Promise<T> => await use(await LevelStore.open(path, LEVEL));
  try {
    return await open();
  } catch (error) {
    if (!isPeerlaneError(error, 'store-damaged')) throw error;
    const repaired = await setAsideRepaired(path, env.unixTime());
    const { movedTo, isRepaired } = repaired;
    if (isRepaired && (await isForeign(path))) {
      await putBack(repaired);
      throw foreign();
    }
    onEvent({ kind: 'node-database-set-aside', path, movedTo, error });
    if (!isRepaired) return await open();
  }
  try {
    return await open();
  } catch (error) {
    if (!isPeerlaneError(error, 'store-damaged')) throw error;
    // What is left is of no use.
    await clear(path);
    return await open();
  }
}

/**
 * Opens a database that is there, and leaves it as it is when it is damaged, or of something else.
 * @throws PeerlaneError `store-locked`, `store-damaged`, `store-mismatch`, `file-unreadable`, also when there is none
 */
export async function openAsItIs(path: string): Promise<ScannableStore> {
  await requireLevel(path, 'node database');
  const store = await LevelStore.open(path, { ...LEVEL, advice: DAMAGED_ADVICE });
  try {
    const version = await store.get(VERSION_KEY);
    if (version !== undefined) requireVersion(version);
    else if (!(await store.isEmpty())) throw foreign();
    return store;
  } catch (error) {
    await store.close();
    throw error;
  }
}

/** Whether what could be read belongs to something else. Else it has a version: that may have been lost, and nodes not. */
async function isForeign(path: string): Promise<boolean> {
  try {
    const store = await LevelStore.open(path, LEVEL);
    try {
      if ((await store.get(VERSION_KEY)) !== undefined) return false;
      for await (const [first] of store.scan(1)) {
        if (first !== undefined && !isOwnKey(first.key)) return true;
        await writeVersion(store);
        break;
      }
      return false;
    } finally {
      await store.close();
    }
  } catch (error) {
    // It is found out again when it is used.
    if (isPeerlaneError(error, 'store-damaged')) return false;
    throw error;
  }
}

async function writeVersion(kv: ScannableStore): Promise<void> {
  await kv.batch([{ key: VERSION_KEY, value: encode(versionCodec, { version: VERSION }) }]);
}

export interface Loading {
  readonly signal: AbortSignal | undefined;
  /** A node that is there. */
  readonly found: (name: string, node: NodeValue) => void;
  /** A node whose value is no node's. */
  readonly damaged: (name: string) => void;
  /** Called after each few nodes. */
  readonly step: () => Promise<void>;
}

/**
 * Goes through all of a store, which is made one of nodes when it is new.
 * @throws PeerlaneError `store-damaged`, also for another version; `store-mismatch` when it belongs to something else
 */
export async function load(kv: ScannableStore, { signal, found, damaged, step }: Loading): Promise<void> {
  const isNew = await kv.isEmpty();
  const version = isNew ? undefined : await kv.get(VERSION_KEY);
  if (isNew) await writeVersion(kv);
  else if (version !== undefined) requireVersion(version);
  for await (const entries of kv.scan(SCAN_LENGTH)) {
    throwIfAborted(signal);
    for (const { key, value } of entries) {
      const name = nameOfKey(key);
      if (name === undefined) {
        // Beside our own version, only another program's records have other keys.
        if (!isNew && version === undefined) throw foreign();
        continue;
      }
      if (!isNew && version === undefined) throw broken('the record of its version is missing');
      const node = decodeNode(value);
      if (node === undefined) damaged(name);
      else found(name, node);
    }
    await step();
  }
}

function requireVersion(value: Uint8Array): void {
  let version: number;
  try {
    ({ version } = decode(versionCodec, value));
  } catch (error) {
    throw broken('the record of its version cannot be read', error);
  }
  if (version !== VERSION) {
    throw broken(`it is of version ${version}, this release reads version ${VERSION}`);
  }
}

function broken(what: string, cause?: unknown): PeerlaneError {
  return new PeerlaneError('store-damaged', `the node database is damaged: ${what}`, { cause });
}

function foreign(): PeerlaneError {
  const message = 'the directory is a database of something else; choose another one for the nodes';
  return new PeerlaneError('store-mismatch', message);
}
