/** Gathers changes of nodes and writes them in batches; reads see what has not been written yet. */
import { throwIfAborted } from '../../base/abort.ts';
import type { Env, Timer } from '../../base/env.ts';
import { isPeerlaneError, type PeerlaneError, toPeerlaneError } from '../../base/errors.ts';
import type { KeyValueStore, KvChange } from '../../base/kv.ts';
import { type Change, composed, GONE, TOUCHED } from './changes.ts';
import { idOf, keyOf } from './keys.ts';
import type { NodeIndex } from './node-index.ts';
import { mergedFacts, wholeFacts } from './node-patch.ts';
import { decodeNode, encodeNode, type NodeFacts, type StoredNode, storedNode } from './stored-node.ts';

/** The most that a crash loses. */
export const FLUSH_INTERVAL_MS = 1_000;
/** After a write that failed; after each more in a row twice as long. */
export const RETRY_INTERVAL_MS = 30_000;
export const LONGEST_RETRY_INTERVAL_MS: number = 8 * 60_000;
/** Nodes in one batch: to encode them takes a few milliseconds. */
const BATCH_LENGTH = 256;

export interface WriteBehindOptions {
  readonly kv: KeyValueStore;
  readonly index: NodeIndex;
  readonly env: Env;
  /** Told of reads and writes that failed; what was to be written is tried again. */
  readonly failed: (error: PeerlaneError) => void;
}

/**
 * Waiting changes are bounded by the nodes of the index and those on the disk: of each there is one at most, and what
 * never was on the disk leaves none behind.
 */
export class WriteBehind {
  readonly #options: WriteBehindOptions;
  #pending = new Map<string, Change>();
  /** What is being written: the disk may hold it already, or not yet. */
  #writing = new Map<string, Change>();
  #writes: Promise<unknown> = Promise.resolve();
  #timer: Timer | undefined;
  #retryMs = RETRY_INTERVAL_MS;
  #isClosed = false;
  /** Whether the disk could not be read the last time, which has been told. */
  #isUnreadable = false;

  constructor(options: WriteBehindOptions) {
    this.#options = options;
  }

  /** Changes that are not on the disk. */
  get size(): number {
    return this.#pending.size + this.#writing.size;
  }

  /** Whether something of the node waits to be written, be it that it is gone. */
  has(name: string): boolean {
    return this.#pending.has(name) || this.#writing.has(name);
  }

  put(name: string, change: Change): void {
    this.#pending.set(name, composed(this.#pending.get(name), change));
    this.#schedule(FLUSH_INTERVAL_MS);
  }

  /** Takes a node out of the index and, where it is there, off the disk. */
  remove(name: string): boolean {
    const { index } = this.#options;
    const entry = index.get(name);
    if (entry === undefined) return false;
    index.delete(name);
    if (entry.stored) this.put(name, GONE);
    else this.#pending.delete(name);
    return true;
  }

  /** Has a value taken off the disk that is no node's. */
  discard(name: string): void {
    this.put(name, GONE);
  }

  /** Writes all changes made so far. @throws PeerlaneError `file-unreadable`, `store-damaged`, `closed` */
  async flush(): Promise<void> {
    this.#timer?.cancel();
    this.#timer = undefined;
    const write = this.#writes.then(() => this.#writePending());
    this.#writes = write.catch(() => undefined);
    await write;
  }

  /** Writes what is left and closes the store; if it cannot be written, that is told. */
  async close(): Promise<void> {
    this.#isClosed = true;
    try {
      await this.flush();
    } catch (error) {
      this.#options.failed(toPeerlaneError(error));
    } finally {
      await this.abandon();
    }
  }

  /** Closes the store without writing. */
  async abandon(): Promise<void> {
    this.#isClosed = true;
    this.#timer?.cancel();
    await this.#options.kv.close();
  }

  /**
   * The nodes of these names; undefined for those that are not there, or whose value is damaged.
   * @throws PeerlaneError `file-unreadable`, `closed`, `aborted`
   */
  async read(names: readonly string[], signal?: AbortSignal): Promise<(StoredNode | undefined)[]> {
    return await this.#read(names, () => this.#values(names), signal);
  }

  /**
   * As `read`; where the disk cannot be read, which is told once, those of which nothing is on it yet.
   * @throws PeerlaneError `closed`, `aborted`
   */
  async readWhatIsThere(names: readonly string[], signal?: AbortSignal): Promise<(StoredNode | undefined)[]> {
    const values = async (): Promise<(Uint8Array | undefined)[] | undefined> => {
      try {
        return await this.#values(names);
      } catch (error) {
        if (!isPeerlaneError(error, 'file-unreadable')) throw error;
        if (!this.#isUnreadable) this.#options.failed(error);
        this.#isUnreadable = true;
        return undefined;
      }
    };
    return await this.#read(names, values, signal);
  }

  /** @param values those on the disk; undefined when nobody knows what is there */
  async #read(
    names: readonly string[],
    values: () => Promise<(Uint8Array | undefined)[] | undefined>,
    signal: AbortSignal | undefined,
  ): Promise<(StoredNode | undefined)[]> {
    const { index } = this.#options;
    const entries = names.map((name) => index.get(name));
    // Taken before the wait: whether or not the value that comes holds them already, they are put over it.
    const changes = names.map((name) => {
      return composed(this.#writing.get(name), this.#pending.get(name) ?? TOUCHED);
    });
    const stored = await values();
    throwIfAborted(signal);
    return names.map((name, i) => {
      const [entry, change = TOUCHED] = [entries[i], changes[i]];
      // Removed meanwhile, and perhaps added again.
      if (entry === undefined || index.get(name) !== entry) return undefined;
      if (stored === undefined && !change.fresh) return undefined;
      const facts = factsFrom(stored?.[i], change);
      const node = facts === undefined ? undefined : storedNode(idOf(name), facts, entry.history);
      if (node === undefined) this.remove(name);
      return node;
    });
  }

  #schedule(ms: number): void {
    if (this.#timer !== undefined || this.#isClosed) return;
    const { env, failed } = this.#options;
    this.#timer = env.setTimer(ms, () => {
      this.flush().catch((error: unknown) => failed(toPeerlaneError(error)));
    });
  }

  async #writePending(): Promise<void> {
    if (this.#pending.size === 0) return;
    this.#writing = this.#pending;
    this.#pending = new Map();
    const names = [...this.#writing.keys()];
    try {
      await this.#options.kv.restore?.();
      for (let at = 0; at < names.length; at += BATCH_LENGTH) {
        const batch = names.slice(at, at + BATCH_LENGTH);
        await this.#writeBatch(batch);
        for (const name of batch) this.#writing.delete(name);
      }
      this.#retryMs = RETRY_INTERVAL_MS;
    } catch (error) {
      for (const [name, change] of this.#writing) {
        this.#pending.set(name, composed(change, this.#pending.get(name) ?? TOUCHED));
      }
      // What came during the write would have it tried again at once.
      this.#timer?.cancel();
      this.#timer = undefined;
      this.#schedule(this.#retryMs);
      this.#retryMs = Math.min(LONGEST_RETRY_INTERVAL_MS, 2 * this.#retryMs);
      throw error;
    } finally {
      this.#writing = new Map();
    }
  }

  async #writeBatch(names: readonly string[]): Promise<void> {
    const { index, kv } = this.#options;
    const changeOf = (name: string): Change => this.#writing.get(name) ?? TOUCHED;
    const based = names.filter((name) => index.get(name) !== undefined && !changeOf(name).fresh);
    const values = await this.#values(based);
    const stored = new Map(based.map((name, i) => [name, values[i]]));
    const changes: KvChange[] = [];
    const put: string[] = [];
    for (const name of names) {
      const entry = index.get(name);
      const facts = factsFrom(stored.get(name), changeOf(name));
      const isWhole = entry !== undefined && facts !== undefined;
      if (isWhole) put.push(name);
      // What was on the disk is damaged; unless the node was added again during the wait.
      else if (!this.#pending.has(name)) index.delete(name);
      const value = isWhole ? encodeNode({ facts, history: entry.history }) : undefined;
      changes.push({ key: keyOf(name), value });
    }
    await kv.batch(changes);
    for (const name of put) {
      const entry = index.get(name);
      if (entry !== undefined) entry.stored = true;
      // Removed during the wait, when it was not on the disk yet.
      else if (!this.#pending.has(name)) this.put(name, GONE);
    }
  }

  /** Values of the disk. One in a damaged block is as good as absent. */
  async #values(names: readonly string[]): Promise<(Uint8Array | undefined)[]> {
    const { kv, failed } = this.#options;
    const keys = names.map(keyOf);
    try {
      const values = await kv.getMany(keys);
      this.#isUnreadable = false;
      return values;
    } catch (error) {
      if (!isPeerlaneError(error, 'store-damaged')) throw error;
      failed(error);
    }
    const values: (Uint8Array | undefined)[] = [];
    for (const key of keys) values.push(await readable(kv.get(key)));
    return values;
  }
}

function factsFrom(value: Uint8Array | undefined, { fresh, facts }: Change): NodeFacts | undefined {
  const stored = fresh || value === undefined ? undefined : decodeNode(value)?.facts;
  return wholeFacts(mergedFacts(stored, facts));
}

async function readable(value: Promise<Uint8Array | undefined>): Promise<Uint8Array | undefined> {
  try {
    return await value;
  } catch (error) {
    if (isPeerlaneError(error, 'store-damaged')) return undefined;
    throw error;
  }
}
