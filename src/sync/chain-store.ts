import { equalBytes } from '../base/bytes.ts';
import { PeerlaneError } from '../base/errors.ts';
import { type KeyValueStore, type KvChange, MemoryKv } from '../base/kv.ts';
import { keccak256 } from '../crypto/index.ts';
import type { ChainHead, ChainReader } from '../eth/chain-reader.ts';
import { type LevelOptions, LevelStore } from '../io/level-store.ts';
import { encode } from '../rlp/index.ts';
import type { ChainPoint, ChainState, PendingHeaders, StoredHeader } from './records.ts';
import * as records from './records.ts';
import {
  after,
  type BlockEntry,
  type BodyEntry,
  below,
  create,
  damaged,
  decodeStored,
  departs,
  genesisEntry,
  type HeaderEntry,
  headerChanges,
  headerOf,
  isWithin,
  present,
  readState,
  requireNext,
  type StoreGenesis,
} from './store-state.ts';

/** What is read of a chain is its end, mostly. */
const LEVEL: LevelOptions = {
  what: 'the chain store',
  advice: 'delete the directory and import or sync again',
  writeBufferBytes: 16 * 1024 * 1024,
  readCacheBytes: 16 * 1024 * 1024,
  // It may have gigabytes, of which only the newest are merged with others again.
  checkedBytes: 128 * 1024 * 1024,
};

/** Records that one batch of a clean-up or a walk takes at a time. */
const WALK = 1024;

/**
 * A chain of headers and bodies from the genesis block on. The header chain may be ahead of the bodies: the
 * `head` is the last whole block. It trusts its callers that bodies fit their headers; that headers link is
 * checked. Changes are atomic, one at a time, in the order of the calls.
 */
export class ChainStore implements ChainReader, AsyncDisposable {
  readonly genesisHash: Uint8Array;
  readonly #kv: KeyValueStore;
  #state: ChainState;
  #changes: Promise<unknown> = Promise.resolve();
  #closed: Promise<void> | undefined;
  #gone = false;

  private constructor(kv: KeyValueStore, genesisHash: Uint8Array, state: ChainState) {
    this.#kv = kv;
    this.genesisHash = genesisHash;
    this.#state = state;
  }

  /**
   * Opens or creates the store in the directory `path` for the chain of `genesis`.
   * @throws PeerlaneError `store-locked`, `store-mismatch` when it holds another chain or is of another version,
   * `store-damaged`, `file-unreadable`, `invalid-argument`
   */
  static async open(path: string, options: { readonly genesis: StoreGenesis }): Promise<ChainStore> {
    const genesis = options?.genesis;
    const encodings = [genesis?.headerEncoding, genesis?.bodyEncoding];
    if (typeof path !== 'string' || !encodings.every((encoding) => encoding instanceof Uint8Array)) {
      throw new PeerlaneError('invalid-argument', 'a chain store takes a path and { genesis }');
    }
    return await ChainStore.over(await LevelStore.open(path, LEVEL), { genesis });
  }

  /** A store that is gone when the process is. */
  static async inMemory({ genesis }: { readonly genesis: StoreGenesis }): Promise<ChainStore> {
    return await ChainStore.over(new MemoryKv(), { genesis });
  }

  /** A store over `kv`, which it owns from now on. Throws as `open`. */
  static async over(kv: KeyValueStore, { genesis }: { readonly genesis: StoreGenesis }): Promise<ChainStore> {
    try {
      const entry = genesisEntry(genesis);
      const state = (await readState(kv, entry.hash)) ?? (await create(kv, entry));
      const store = new ChainStore(kv, entry.hash, state);
      await store.#checkHeads();
      await store.#sweep();
      return store;
    } catch (error) {
      await kv.close();
      throw error;
    }
  }

  /** The last block whose header and body, and those of all blocks before it, are there. */
  head(): ChainHead {
    return this.#state.blocks;
  }

  /** The last header that links to the genesis block. */
  headerHead(): ChainHead {
    return this.#state.headers;
  }

  /** The headers of a download that does not reach the header head yet. */
  pending(): PendingHeaders | undefined {
    return this.#state.pending;
  }

  earliest(): number {
    return 0;
  }

  async hashOf(number: number): Promise<Uint8Array | undefined> {
    return (await this.#header(number))?.hash;
  }

  async numberOf(hash: Uint8Array): Promise<number | undefined> {
    if (hash.length !== 32) return undefined;
    const value = await this.#get(records.numberKey(hash));
    const number = value === undefined ? undefined : records.readNumber(value);
    if (number === undefined) return undefined;
    const stored = await this.hashOf(number);
    return stored !== undefined && equalBytes(stored, hash) ? number : undefined;
  }

  async header(number: number): Promise<Uint8Array | undefined> {
    return (await this.#header(number))?.encoded;
  }

  async body(number: number): Promise<Uint8Array | undefined> {
    if (!isWithin(number, this.#state.blocks.number)) return undefined;
    return present(await this.#get(records.bodyKey(number)), `the body of block ${number} is missing`);
  }

  /** The headers of blocks `from`, `from + 1`, ... as far as the header chain goes, `count` at most. */
  async headers(from: number, count: number): Promise<StoredHeader[]> {
    const end = Math.min(from + count, this.#state.headers.number + 1);
    const keys: Uint8Array[] = [];
    for (let number = from; number < end; number++) keys.push(records.headerKey(number));
    const values = keys.length === 0 ? [] : await this.#reading(() => this.#kv.getMany(keys));
    return values.map((value, i) => headerOf(from + i, value));
  }

  /**
   * Adds whole blocks on top of `head`, and of the header chain where it ends before them. Headers of a download
   * under way are given up.
   * @throws PeerlaneError `store-mismatch` when they do not continue the stored chain
   */
  async appendBlocks(blocks: readonly BlockEntry[]): Promise<void> {
    await this.#changing(async () => {
      await this.#dropPending();
      let { headers, blocks: head } = this.#state;
      const known = await this.headers(head.number + 1, blocks.length);
      const changes: KvChange[] = [];
      for (const [i, block] of blocks.entries()) {
        requireNext(head, block);
        const stored = known[i];
        if (stored === undefined) changes.push(...headerChanges(block));
        else if (!equalBytes(stored.hash, block.hash)) throw departs(block.number);
        changes.push({ key: records.bodyKey(block.number), value: block.body });
        head = after(head, block);
        if (head.number > headers.number) headers = head;
      }
      await this.#commit(changes, { ...this.#state, headers, blocks: head });
    });
  }

  /**
   * Adds the bodies of the blocks that follow on `head`, whose headers are stored.
   * @throws PeerlaneError `store-mismatch`
   */
  async appendBodies(blocks: readonly BodyEntry[]): Promise<void> {
    await this.#changing(async () => {
      let head = this.#state.blocks;
      const changes: KvChange[] = [];
      for (const block of blocks) {
        requireNext(head, block);
        changes.push({ key: records.bodyKey(block.number), value: block.body });
        head = after(head, block);
      }
      if (head.number > this.#state.headers.number) throw departs(head.number);
      await this.#commit(changes, { ...this.#state, blocks: head });
    });
  }

  /**
   * Keeps headers of a download that goes down from its target: the first call brings the target itself, each
   * call the next parents, by falling numbers, all above the header head.
   * @throws PeerlaneError `store-mismatch` when they do not link
   */
  async addPending(headers: readonly HeaderEntry[]): Promise<void> {
    await this.#changing(async () => {
      let pending = this.#state.pending;
      const changes: KvChange[] = [];
      for (const entry of headers) {
        if (entry.number <= this.#state.headers.number) throw departs(entry.number);
        pending = below(pending, entry);
        changes.push(...headerChanges(entry));
      }
      if (pending === undefined) return;
      // Copied: it outlives the message that it is a view into.
      pending = { ...pending, parentHash: pending.parentHash.slice() };
      await this.#commit(changes, { ...this.#state, pending });
    });
  }

  /** Gives the headers of `addPending` up. */
  async discardPending(): Promise<void> {
    await this.#changing(() => this.#dropPending());
  }

  /**
   * Makes the pending headers, and `overlap`, the canonical chain. `overlap` are the headers below them, by
   * falling numbers, that replace stored ones; its last header's parent is stored. Bodies of replaced headers go.
   * Without pending headers the first of `overlap` becomes the head.
   * @throws PeerlaneError `store-mismatch` when they do not link to the stored chain
   */
  async adopt(overlap: readonly HeaderEntry[] = []): Promise<void> {
    await this.#changing(async () => {
      const old = this.#state;
      let joined = old.pending;
      for (const entry of overlap) joined = below(joined, entry);
      if (joined === undefined) return;
      const ancestor = await this.#point(joined.bottomNumber - 1);
      if (ancestor === undefined || !equalBytes(ancestor.hash, joined.parentHash)) {
        throw departs(joined.bottomNumber);
      }
      const replaced = await this.headers(ancestor.number + 1, overlap.length);
      const changes: KvChange[] = replaced.map(({ hash }) => ({
        key: records.numberKey(hash),
        value: undefined,
      }));
      for (const entry of overlap) changes.push(...headerChanges(entry));
      const headers: ChainPoint = {
        number: joined.topNumber,
        hash: joined.topHash,
        timestamp: joined.topTimestamp,
        totalDifficulty: ancestor.totalDifficulty + joined.difficulty,
      };
      const blocks = old.blocks.number > ancestor.number ? ancestor : old.blocks;
      const trash =
        headers.number < old.headers.number
          ? { bottom: headers.number + 1, top: old.headers.number }
          : records.NO_TRASH;
      await this.#commit(changes, { headers, blocks, trash, pending: undefined });
      await this.#sweep();
    });
  }

  /** Takes every header and body above block `number` off the chain, pending headers too. */
  async rewind(number: number): Promise<void> {
    await this.#changing(async () => {
      await this.#dropPending();
      const old = this.#state;
      if (number >= old.headers.number) return;
      const point = await this.#point(number);
      if (point === undefined) throw new PeerlaneError('invalid-argument', `${number} is no block number`);
      const blocks = old.blocks.number > number ? point : old.blocks;
      const trash = { bottom: number + 1, top: old.headers.number };
      await this.#commit([], { ...old, headers: point, blocks, trash });
      await this.#sweep();
    });
  }

  /** Closes the store once the changes under way are done. May be called twice. */
  async close(): Promise<void> {
    this.#closed ??= this.#changes.then(() => {
      this.#gone = true;
      return this.#kv.close();
    });
    await this.#closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #header(number: number): Promise<StoredHeader | undefined> {
    if (!isWithin(number, this.#state.headers.number)) return undefined;
    return headerOf(number, await this.#get(records.headerKey(number)));
  }

  /** The pointer that a chain ending with block `number` has. */
  async #point(number: number): Promise<ChainPoint | undefined> {
    const { headers, blocks } = this.#state;
    if (number === headers.number) return headers;
    const stored = await this.#header(number);
    if (stored === undefined) return undefined;
    const from = number <= blocks.number ? blocks : headers;
    let { totalDifficulty } = from;
    for (let at = number + 1; at <= from.number; at += WALK) {
      for (const { encoded } of await this.headers(at, Math.min(WALK, from.number - at + 1))) {
        totalDifficulty -= decodeStored(encoded).difficulty;
      }
    }
    return { number, hash: stored.hash, timestamp: decodeStored(stored.encoded).timestamp, totalDifficulty };
  }

  async #dropPending(): Promise<void> {
    const { pending } = this.#state;
    if (pending === undefined) return;
    const trash = { bottom: pending.bottomNumber, top: pending.topNumber };
    await this.#commit([], { ...this.#state, trash, pending: undefined });
    await this.#sweep();
  }

  /** Deletes trash, from the top down and in bounded batches, so that a crash only leaves less of it. */
  async #sweep(): Promise<void> {
    while (this.#state.trash.top > 0) {
      const { bottom, top } = this.#state.trash;
      const rest = Math.max(bottom - 1, top - WALK);
      const keys: Uint8Array[] = [];
      for (let number = top; number > rest; number--) keys.push(records.headerKey(number));
      const values = await this.#reading(() => this.#kv.getMany(keys));
      const changes: KvChange[] = [];
      for (const [i, value] of values.entries()) {
        const { number, hash } = headerOf(top - i, value);
        const gone = [records.headerKey(number), records.bodyKey(number), records.numberKey(hash)];
        changes.push(...gone.map((key) => ({ key, value: undefined })));
      }
      const trash = rest < bottom ? records.NO_TRASH : { bottom, top: rest };
      await this.#commit(changes, { ...this.#state, trash });
    }
  }

  async #commit(changes: readonly KvChange[], state: ChainState): Promise<void> {
    await this.#kv.batch([...changes, { key: records.STATE_KEY, value: encode(records.stateCodec, state) }]);
    this.#state = state;
  }

  /** What opening can tell at once: the ends of both chains are what `state` says. */
  async #checkHeads(): Promise<void> {
    const { headers, blocks } = this.#state;
    for (const point of [headers, blocks]) {
      const stored = await this.#header(point.number);
      if (stored === undefined || !equalBytes(keccak256(stored.encoded), point.hash)) {
        throw damaged(`the header of block ${point.number} is not the one that its head names`);
      }
    }
    await this.body(blocks.number);
  }

  async #get(key: Uint8Array): Promise<Uint8Array | undefined> {
    return await this.#reading(() => this.#kv.get(key));
  }

  async #reading<T>(read: () => Promise<T>): Promise<T> {
    if (this.#gone) throw new PeerlaneError('closed', 'the chain store is closed');
    return await read();
  }

  async #changing(change: () => Promise<void>): Promise<void> {
    if (this.#closed !== undefined) throw new PeerlaneError('closed', 'the chain store is closed');
    const done = this.#changes.then(async () => {
      await this.#kv.restore?.();
      await change();
    });
    this.#changes = done.catch(() => undefined);
    await done;
  }
}
