import { throwIfAborted } from '../../base/abort.ts';
import { equalBytes } from '../../base/bytes.ts';
import {
  checkFunction,
  checkInteger,
  checkLength,
  checkObject,
  checkUint64,
  invalidArgument as invalid,
  reading,
  signalOf,
  unreadable,
} from '../../base/checks.ts';
import type { Timer } from '../../base/env.ts';
import { isPeerlaneError, PeerlaneError } from '../../base/errors.ts';
import { MemoryKv, type ScannableStore } from '../../base/kv.ts';
import { decodeRecord, nodeIdOf } from '../../enr/index.ts';
import { TOUCHED } from './changes.ts';
import type { NodeDatabaseEvent } from './events.ts';
import { applyToHistory, newHistory } from './history.ts';
import { bansKeyOf, nameOf } from './keys.ts';
import { load, openWhole } from './load.ts';
import { LocalSeqs } from './local-seqs.ts';
import { LocalValues } from './local-values.ts';
import { networkOf } from './network.ts';
import { NodeIndex } from './node-index.ts';
import { checkPatch, type FactsChange, factsOf, type NodePatch } from './node-patch.ts';
import { checkOptions, type NodeDatabaseConfig, type NodeDatabaseOptions } from './options.ts';
import type { StoredNode } from './stored-node.ts';
import { WriteBehind } from './write-behind.ts';

/** How often some nodes are looked at whether their time is over. */
export const EXPIRY_INTERVAL_MS = 60_000;
/** How many at a time: a full database is gone through in three quarters of an hour. */
const EXPIRY_STEP = 500;
/** When the database is full, one in so many goes at once, and new nodes have that much room to prove themselves. */
const MAKE_ROOM_SHARE = 32;
/** Nodes that are read at a time. */
const READ_LENGTH = 64;
/** Changes that are gathered while a store is read. */
const MAX_LOADING_CHANGES = 512;
const ID_LENGTH = 32;

/**
 * What is known of other nodes, kept over restarts: records and endpoints, when they answered, how dials ended.
 *
 * How nodes behave is kept in memory, the rest on the disk. Changes are written together within a second and at the
 * close, and a crash loses what was not written. Nodes go that have not answered for `PROVEN_EXPIRY_MS`, or never
 * within `UNPROVEN_EXPIRY_MS`. No node goes of that before one has answered in this run: whoever was offline, or whose
 * clock is wrong, keeps what it needs to start. Where the database is full, the network with the most nodes loses the
 * next one (`NodeIndex.leastUseful`), so that nobody's many identities in few networks take the place of others.
 */
export class NodeDatabase implements AsyncDisposable {
  readonly #config: NodeDatabaseConfig;
  readonly #index = new NodeIndex();
  readonly #writer: WriteBehind;
  readonly #seqs: LocalSeqs;
  readonly #bans: LocalValues;
  #damage: PeerlaneError | undefined;
  #expiry: Timer | undefined;
  #closed: Promise<void> | undefined;

  private constructor(kv: ScannableStore, config: NodeDatabaseConfig) {
    this.#config = config;
    this.#seqs = new LocalSeqs(kv);
    this.#bans = new LocalValues(kv, bansKeyOf);
    const { env, onEvent } = config;
    const failed = (error: PeerlaneError): void => onEvent({ kind: 'node-database-failed', error });
    this.#writer = new WriteBehind({ kv, index: this.#index, env, failed });
  }

  /**
   * Opens or creates the database in the directory `path`. One that is damaged, or of another version, is renamed to
   * `PATH.damaged-TIME`, which an event says, and a new one begun with the nodes that can be read of it.
   *
   * @throws PeerlaneError `store-locked` when another process has it open, `store-mismatch` when it is a database of
   * something else, `file-unreadable`, `aborted`, `invalid-argument`
   */
  static async open(path: string, options: NodeDatabaseOptions = {}): Promise<NodeDatabase> {
    if (typeof path !== 'string' || path === '') throw invalid('a node database takes a path');
    const config = checkOptions(options);
    throwIfAborted(config.signal);
    let damage: PeerlaneError | undefined;
    const onEvent = (event: NodeDatabaseEvent): void => {
      if (event.kind === 'node-database-set-aside') damage = event.error;
      config.onEvent(event);
    };
    const database = await openWhole(path, (kv) => NodeDatabase.#over(kv, config), config.env, onEvent);
    database.#damage = damage;
    return database;
  }

  /** A database that is gone when the process is. @throws PeerlaneError `invalid-argument` */
  static async inMemory(options: NodeDatabaseOptions = {}): Promise<NodeDatabase> {
    return await NodeDatabase.over(new MemoryKv(), options);
  }

  /** A database over `kv`, which it owns from now on. Throws as `open`, and `store-damaged`. */
  static async over(kv: ScannableStore, options: NodeDatabaseOptions = {}): Promise<NodeDatabase> {
    checkStore(kv);
    return await NodeDatabase.#over(kv, checkOptions(options));
  }

  static async #over(kv: ScannableStore, config: NodeDatabaseConfig): Promise<NodeDatabase> {
    const database = new NodeDatabase(kv, config);
    try {
      await database.#load(kv);
      return database;
    } catch (error) {
      await database.#writer.abandon();
      throw error;
    }
  }

  /** Nodes that are known. */
  get size(): number {
    return this.#index.size;
  }

  /**
   * Adds news of a node. One that is not known yet is added when the patch holds its record or its endpoint; whether it
   * is known now is returned. Does nothing once the database is closed.
   *
   * @param id 32 bytes
   * @throws PeerlaneError `invalid-argument`, also when the record or the endpoint is another node's
   */
  update(id: Uint8Array, patch: NodePatch): boolean {
    checkId(id);
    const facts = checkedFacts(id, patch);
    if (this.#closed !== undefined) return false;
    const name = nameOf(id);
    const now = this.#config.env.unixTime();
    const known = this.#index.get(name);
    if (known === undefined && facts?.publicKey === undefined) return false;
    const history = known?.history ?? newHistory(now);
    applyToHistory(history, patch, now, facts !== undefined);
    if (known !== undefined) {
      if (facts?.endpoint !== undefined) known.network = networkOf(facts.endpoint.host);
      this.#writer.put(name, facts === undefined ? TOUCHED : { fresh: false, facts });
    } else {
      this.#makeRoom(now);
      // A removal of the same node may be on its way to the disk.
      const stored = this.#writer.has(name);
      this.#index.set(name, { history, stored, network: networkOf(facts?.endpoint?.host) });
      this.#writer.put(name, { fresh: true, facts });
    }
    if (patch.lastPong !== undefined || (patch.dial !== undefined && patch.dial.error === undefined)) {
      this.#expireLater();
    }
    return true;
  }

  /** @param id 32 bytes @throws PeerlaneError `closed`, `file-unreadable`, `invalid-argument` */
  async get(id: Uint8Array): Promise<StoredNode | undefined> {
    checkId(id);
    this.#requireOpen();
    const name = nameOf(id);
    if (this.#index.get(name) === undefined) return undefined;
    const [node] = await this.#writer.read([name]);
    return node;
  }

  /**
   * The highest sequence number that the record of the local node `id` is known to have had.
   * @param id 32 bytes
   * @throws PeerlaneError `closed`, `file-unreadable`, `store-damaged`, `invalid-argument`
   */
  async localSeq(id: Uint8Array): Promise<bigint | undefined> {
    checkId(id);
    this.#requireOpen();
    return await this.#seqs.get(id);
  }

  /**
   * Keeps the sequence number of the record of the local node `id`, so that it never goes back.
   * @param id 32 bytes
   * @throws PeerlaneError `closed`, `file-unreadable`, `store-damaged`, `invalid-argument`
   */
  async storeLocalSeq(id: Uint8Array, seq: bigint): Promise<void> {
    checkId(id);
    checkUint64('seq', seq);
    this.#requireOpen();
    await this.#seqs.store(id, seq);
  }

  /** @internal What was wrong with it when it was opened: it has what could be read. */
  get damage(): PeerlaneError | undefined {
    return this.#damage;
  }

  /** @internal The bans of the local node `id`. @throws PeerlaneError `closed`, `file-unreadable`, `store-damaged` */
  async localBans(id: Uint8Array): Promise<Uint8Array | undefined> {
    checkId(id);
    this.#requireOpen();
    return await this.#bans.get(id);
  }

  /** @internal @throws PeerlaneError `closed`, `file-unreadable`, `store-damaged` */
  async storeLocalBans(id: Uint8Array, bans: Uint8Array): Promise<void> {
    checkId(id);
    this.#requireOpen();
    await this.#bans.store(id, bans);
  }

  /** Forgets a node; whether it was known. */
  remove(id: Uint8Array): boolean {
    checkId(id);
    return this.#closed === undefined && this.#writer.remove(nameOf(id));
  }

  /**
   * Up to `count` random nodes that have answered within the last `maxAge` milliseconds, to start from. Their records
   * have been checked. Of one network there are at most `SEED_NETWORK_LIMIT`, of a block of networks at most
   * `SEED_BLOCK_LIMIT`, and more than one only when each block with such nodes has given one; of this machine and its
   * LAN there may be any number. While the disk cannot be read, which an event says once, there are only those of which nothing
   * has been written yet.
   *
   * @throws PeerlaneError `closed`, `aborted`, `invalid-argument`
   */
  async seeds(
    count: number,
    maxAge: number,
    options: { readonly signal?: AbortSignal } = {},
  ): Promise<StoredNode[]> {
    checkInteger('count', count, 0, Number.MAX_SAFE_INTEGER);
    if (!(typeof maxAge === 'number' && maxAge >= 0)) throw invalid('maxAge is no number of milliseconds');
    const signal = signalOf(options);
    this.#requireOpen();
    throwIfAborted(signal);
    const { env } = this.#config;
    const names = this.#index.seeds(env.unixTime() - maxAge, (length) => env.randomBytes(length));
    const seeds: StoredNode[] = [];
    for (let at = 0; seeds.length < count && at < names.length; ) {
      const drawn = names.slice(at, at + Math.min(READ_LENGTH, count - seeds.length));
      at += drawn.length;
      for (const node of await this.#writer.readWhatIsThere(drawn, signal)) {
        if (node === undefined) continue;
        if (hasValidRecord(node)) seeds.push(node);
        else this.remove(node.id);
      }
    }
    return seeds;
  }

  /**
   * All nodes, those that come or go meanwhile perhaps not.
   * @throws PeerlaneError `closed`, `file-unreadable`, `aborted`, `invalid-argument`
   */
  async *nodes(options: { readonly signal?: AbortSignal } = {}): AsyncGenerator<StoredNode, void, undefined> {
    const signal = signalOf(options);
    throwIfAborted(signal);
    this.#requireOpen();
    const names = this.#index.names();
    for (let at = 0; at < names.length; at += READ_LENGTH) {
      this.#requireOpen();
      const nodes = await this.#writer.read(names.slice(at, at + READ_LENGTH), signal);
      for (const node of nodes) if (node !== undefined) yield node;
    }
  }

  /** Writes what has changed. @throws PeerlaneError `closed`, `file-unreadable`, `store-damaged` */
  async flush(): Promise<void> {
    this.#requireOpen();
    await this.#writer.flush();
  }

  /** Writes what has changed, and lets go of the directory. */
  async close(): Promise<void> {
    this.#expiry?.cancel();
    this.#closed ??= Promise.all([this.#seqs.settled(), this.#bans.settled()]).then(() =>
      this.#writer.close(),
    );
    await this.#closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #load(kv: ScannableStore): Promise<void> {
    const { env, maxNodes, onEvent, signal } = this.#config;
    let count = 0;
    await load(kv, {
      signal,
      found: (name, { facts, history }) => {
        this.#index.set(name, { history, stored: true, network: networkOf(facts.endpoint?.host) });
        if (this.#index.size > maxNodes) this.#makeRoom(env.unixTime());
      },
      damaged: (name) => {
        count++;
        this.#writer.discard(name);
      },
      step: async () => {
        if (this.#writer.size >= MAX_LOADING_CHANGES) await this.#writer.flush();
      },
    });
    if (count > 0) onEvent({ kind: 'node-database-values-dropped', count });
  }

  /** Lets the least useful nodes go when the database is full. */
  #makeRoom(now: number): void {
    const { maxNodes } = this.#config;
    if (this.#index.size < maxNodes) return;
    const count = Math.max(1, Math.floor(maxNodes / MAKE_ROOM_SHARE));
    for (const name of this.#index.leastUseful(count, now)) this.#writer.remove(name);
  }

  #expireLater(): void {
    this.#expiry ??= this.#config.env.setTimer(EXPIRY_INTERVAL_MS, () => {
      this.#expiry = undefined;
      for (const name of this.#index.nextExpired(EXPIRY_STEP, this.#config.env.unixTime())) {
        this.#writer.remove(name);
      }
      this.#expireLater();
    });
  }

  #requireOpen(): void {
    if (this.#closed !== undefined) throw new PeerlaneError('closed', 'the node database is closed');
  }
}

/** What the patch holds of the node with this id. @throws PeerlaneError `invalid-argument` */
function checkedFacts(id: Uint8Array, patch: NodePatch): FactsChange | undefined {
  // No function of its own for `reading`: a server notes each answer of each node.
  try {
    checkPatch(patch);
    const facts = factsOf(patch);
    const keys = [patch.record?.publicKey, patch.endpoint?.publicKey].filter((key) => key !== undefined);
    const [key] = keys;
    if (key === undefined) return facts;
    if (equalBytes(nodeIdOf(key), id) && keys.every((one) => equalBytes(one, key))) return facts;
  } catch (error) {
    throw unreadable('the patch', error);
  }
  throw invalid('the record or the endpoint is not of the node with this id');
}

function checkStore(kv: ScannableStore): void {
  reading('the store', () => {
    checkObject('the store', kv);
    for (const name of ['get', 'getMany', 'batch', 'isEmpty', 'close', 'scan']) {
      checkFunction(`${name} of the store`, Reflect.get(kv, name));
    }
  });
}

function hasValidRecord({ record, id }: StoredNode): boolean {
  if (record === undefined) return true;
  try {
    return equalBytes(decodeRecord(record).nodeId, id);
  } catch (error) {
    if (isPeerlaneError(error, 'invalid-record')) return false;
    throw error;
  }
}

function checkId(id: Uint8Array): void {
  checkLength('the id of a node', id, ID_LENGTH);
}
