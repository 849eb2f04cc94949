/** What a bootnode keeps over restarts: nodes that have answered, and the sequence number of its own record. */
import type { Env } from '../base/env.ts';
import { decodeRecord, firstSeq, type NodeRecord, nodeIdOf } from '../enr/index.ts';
import { type KadNode, kadNode } from '../kad/index.ts';
import {
  type Discv4ServiceEvent,
  NodeDatabase,
  type NodeDatabaseEvent,
  type StoredNode,
} from '../server/index.ts';

/** Nodes of earlier runs to begin with, and how long ago they may have answered: those who are away cost a Ping each. */
const SEEDS = 50;
const MAX_SEED_AGE_MS = 5 * 24 * 60 * 60 * 1000;

export interface BootnodeDatabaseOptions {
  /** The directory; without one all is forgotten at the end. */
  readonly path: string | undefined;
  /** Of the bootnode itself, 64 bytes. */
  readonly publicKey: Uint8Array;
  readonly env: Env;
  readonly signal: AbortSignal;
  readonly onEvent: (event: NodeDatabaseEvent) => void;
}

export class BootnodeDatabase implements AsyncDisposable {
  readonly #database: NodeDatabase;
  readonly #env: Env;
  readonly #ownId: Uint8Array;

  private constructor(database: NodeDatabase, { env, publicKey }: BootnodeDatabaseOptions) {
    this.#database = database;
    this.#env = env;
    this.#ownId = nodeIdOf(publicKey);
  }

  /** @throws PeerlaneError as `NodeDatabase.open` */
  static async open(options: BootnodeDatabaseOptions): Promise<BootnodeDatabase> {
    const { path, env, signal, onEvent } = options;
    const common = { env, signal, onEvent };
    const database = await (path === undefined
      ? NodeDatabase.inMemory(common)
      : NodeDatabase.open(path, common));
    return new BootnodeDatabase(database, options);
  }

  /** Nodes that are known, the bootnode itself left out once its record is kept. */
  get size(): number {
    return Math.max(0, this.#database.size - 1);
  }

  /** @throws PeerlaneError `file-unreadable`, `aborted` */
  async seeds(signal: AbortSignal): Promise<KadNode[]> {
    const stored = await this.#database.seeds(SEEDS, MAX_SEED_AGE_MS, { signal });
    return stored.map(nodeOf).filter((node) => node !== undefined);
  }

  /** The sequence number for the record of this run, above that of all earlier ones. @throws PeerlaneError `file-unreadable` */
  async nextSeq(): Promise<bigint> {
    const own = await this.#database.get(this.#ownId);
    return firstSeq(this.#env.unixTime(), own?.seq);
  }

  /** Keeps the bootnode's own record. It counts as one that has just answered: what is silent for long is forgotten. */
  keepOwn(record: NodeRecord): void {
    this.#database.update(this.#ownId, { record, lastPong: this.#env.unixTime() });
  }

  /** Notes what discovery says of nodes. */
  note(event: Discv4ServiceEvent): void {
    if (event.kind === 'node-answered') {
      const { publicKey, ip: host, tcpPort, udpPort, record } = event.node;
      const endpoint = { publicKey, host, tcpPort, udpPort };
      this.#database.update(event.node.id, { record, endpoint, lastPong: this.#env.unixTime() });
    } else if (event.kind === 'node-silent') {
      this.#database.update(event.node.id, { failed: true });
    } else if (event.kind === 'record-received') {
      const { record } = event;
      this.#database.update(event.node.id, { record, forkId: record.get('eth') });
    }
  }

  /** @throws PeerlaneError `file-unreadable`, `store-damaged` */
  async flush(): Promise<void> {
    await this.#database.flush();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#database.close();
  }
}

/** The node where it has last answered. */
function nodeOf({ publicKey, endpoint, record }: StoredNode): KadNode | undefined {
  if (endpoint === undefined || endpoint.udpPort === 0) return undefined;
  const { host: ip, udpPort, tcpPort } = endpoint;
  return kadNode({ publicKey, ip, udpPort, tcpPort, record: record && decodeRecord(record) });
}
