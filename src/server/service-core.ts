/** What the services of both versions of discovery have in common: a socket, a record, a table, and whoever waits for something. */
import { equalBytes } from '../base/bytes.ts';
import { checkLength, signalOf } from '../base/checks.ts';
import { Closing } from '../base/closing.ts';
import { PeerlaneError } from '../base/errors.ts';
import type { EntryChanges, NodeRecord } from '../enr/index.ts';
import type { Endpoint } from '../io/tcp.ts';
import { addressRefused } from '../io/tcp.ts';
import { type KadNode, type Table, TableView, type UdpEndpoint } from '../kad/index.ts';
import { type CallOptions, closedError, DiscoveryCalls } from './discovery-calls.ts';
import { DiscoveryLookups, type LookupEngine, type NodesEngine } from './discovery-lookups.ts';
import { DiscoveryTicker, type TickedMachine } from './discovery-ticker.ts';
import type { StatedEndpoint } from './endpoint-votes.ts';
import type { NodesRun } from './lookup-nodes.ts';
import { OwnRecord } from './own-record.ts';
import { type NodeSource, nodeOf, type ServiceConfig, type ServiceEvent } from './service-options.ts';
import type { UdpMember } from './shared-udp.ts';
import type { UdpSockets } from './udp-sockets.ts';

/** The machine of a version. */
export interface ServiceEngine extends LookupEngine, TickedMachine {
  readonly table: Table;
  start(now: number): void;
  addSeed(node: KadNode, now: number): void;
  addNamed(node: KadNode, now: number): void;
  /** `foreign`: the datagram is none of the protocol. */
  receive(packet: Uint8Array, from: UdpEndpoint, now: number): string;
}

export interface ServiceCoreOptions<Engine> {
  readonly config: ServiceConfig<string, ServiceEvent>;
  /** 64 bytes. */
  readonly publicKey: Uint8Array;
  /** As whom it listens, for errors: packets that it takes are for no other of that name. */
  readonly name: string;
  /** Whether this version is asked first where both share a socket. */
  readonly isFirst: boolean;
  /** More entries of the record, unless it is the user's. */
  readonly entries?: (() => EntryChanges) | undefined;
  /** What is looked up: its name for errors, and its bytes. */
  readonly target: { readonly name: string; readonly length: number };
  makeEngine(core: ServiceCore<Engine & ServiceEngine>): Engine;
}

export class ServiceCore<Engine extends ServiceEngine> {
  readonly publicKey: Uint8Array;
  readonly table: TableView;
  readonly engine: Engine;
  readonly calls: DiscoveryCalls;
  readonly #options: Omit<ServiceCoreOptions<Engine>, 'makeEngine'>;
  readonly #ticker: DiscoveryTicker;
  readonly #closing = new Closing();
  readonly #lookups: DiscoveryLookups;
  readonly #record: OwnRecord;
  #sockets: UdpSockets | undefined;
  #binding: Promise<UdpSockets> | undefined;

  constructor({ makeEngine, ...options }: ServiceCoreOptions<Engine>) {
    const { config, publicKey, entries, target } = options;
    const { env } = config;
    this.#options = options;
    this.publicKey = publicKey;
    this.#record = new OwnRecord(config, publicKey, entries);
    this.engine = makeEngine(this);
    const { engine } = this;
    this.table = new TableView(engine.table);
    const ticker = new DiscoveryTicker(engine, env);
    this.#ticker = ticker;
    const shared = { env, closing: this.#closing };
    const resumed = () => ticker.schedule();
    const calls = new DiscoveryCalls({
      ...shared,
      isRunning: () => this.#sockets !== undefined,
      begun: resumed,
    });
    this.calls = calls;
    this.#lookups = new DiscoveryLookups({ ...shared, engine, calls, resumed, targetLength: target.length });
  }

  get #config(): ServiceConfig<string, ServiceEvent> {
    return this.#options.config;
  }

  /** Calls `run` when the service closes; returns what takes that back. */
  onClose(run: () => void): () => void {
    return this.#closing.onClose(run);
  }

  /** @throws PeerlaneError `closed` before the start, and when it is closed */
  checkRunning(): void {
    if (this.#sockets === undefined || this.#closing.isClosed) throw closedError();
  }

  get now(): number {
    return this.#config.env.now();
  }

  get unixTime(): number {
    return this.#config.env.unixTime();
  }

  /** Those of the options but the node itself. */
  get seeds(): KadNode[] {
    return this.#config.seeds.filter(({ publicKey }) => !equalBytes(publicKey, this.publicKey));
  }

  send(packet: Uint8Array, { ip, port }: UdpEndpoint): void {
    this.#sockets?.send(packet, ip, port);
  }

  /** To be called when the engine may have something to do. */
  schedule(): void {
    this.#ticker.schedule();
  }

  /** For packets. */
  get latestRecord(): NodeRecord {
    return this.#record.latest;
  }

  /** A node has answered a Ping, and says where it sees us. */
  answered(node: KadNode, seenAs: StatedEndpoint): void {
    this.#record.answered(node, seenAs);
  }

  async start(): Promise<void> {
    if (this.#binding !== undefined) throw new PeerlaneError('closed', 'discovery starts once');
    if (this.#closing.isClosed) throw closedError();
    const { listen, onEvent } = this.#config;
    const member: UdpMember = {
      name: this.#options.name,
      message: (bytes, ip, port) => this.#receive(bytes, { ip, port }),
      failed: (error) => onEvent({ kind: 'listener-failed', error }),
    };
    this.#binding = listen.join(member, this.#options.isFirst);
    const sockets = await this.#bound(this.#binding);
    if (this.#closing.isClosed) {
      await sockets.close();
      throw new PeerlaneError('closed', 'discovery was closed while it started');
    }
    this.#sockets = sockets;
    try {
      // Who has seen it before knows of no port, or of another.
      this.#record.listens();
      // From now on it is in packets, where nobody could be told that there is none.
      void this.#record.current;
    } catch (error) {
      await this.close();
      throw error;
    }
    for (const { host, port } of sockets.endpoints) onEvent({ kind: 'listening', host, port });
    this.engine.start(this.now);
    this.#ticker.start();
  }

  /** One that could not be bound may be tried again. */
  async #bound(binding: Promise<UdpSockets>): Promise<UdpSockets> {
    try {
      return await binding;
    } catch (error) {
      this.#binding = undefined;
      throw error;
    }
  }

  addBootnode(node: NodeSource): void {
    this.engine.addSeed(this.#added(node), this.now);
    this.schedule();
  }

  addNode(node: NodeSource): void {
    this.engine.addNamed(this.#added(node), this.now);
    this.schedule();
  }

  #added(node: NodeSource): KadNode {
    if (this.#closing.isClosed) throw closedError();
    return this.remote(node);
  }

  get port(): number {
    return this.endpoints[0]?.port ?? 0;
  }

  get endpoints(): readonly Endpoint[] {
    return this.#sockets?.endpoints ?? [];
  }

  reaches(node: KadNode): boolean {
    return this.#config.reaches(nodeOf(node).ip);
  }

  get record(): NodeRecord {
    return this.#record.current;
  }

  lookup(target: Uint8Array, options: CallOptions): AsyncGenerator<KadNode, KadNode[], undefined> {
    return this.#lookups.lookup(this.checkedTarget(target), signalOf(options));
  }

  async findClosest(target: Uint8Array, options: CallOptions): Promise<KadNode[]> {
    return await this.#lookups.findClosest(this.checkedTarget(target), signalOf(options));
  }

  /** See `DiscoveryLookups.nodesOf`. */
  nodesOf<Run extends NodesRun, R>(
    engine: NodesEngine<Run, R>,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<KadNode, R, undefined> {
    return this.#lookups.nodesOf(engine, signal);
  }

  random(options: CallOptions): AsyncGenerator<KadNode, void, undefined> {
    return this.#lookups.random(signalOf(options));
  }

  async close(): Promise<void> {
    this.#closing.close();
    this.#ticker.stop();
    this.#record.close();
    // A start that has failed has told its own caller.
    const sockets = await this.#binding?.catch(() => undefined);
    await sockets?.close();
  }

  /** A copy: the caller may use its buffer again at once. @throws PeerlaneError `invalid-argument` */
  checkedTarget(bytes: Uint8Array): Uint8Array {
    const { name, length } = this.#options.target;
    checkLength(name, bytes, length);
    return bytes.slice();
  }

  /** Somebody to be asked. @throws PeerlaneError as `ping` of the services, for nodes that it cannot ask */
  remote(source: NodeSource): KadNode {
    const { reaches, allows, listen } = this.#config;
    const node = nodeOf(source, reaches);
    if (equalBytes(node.publicKey, this.publicKey)) {
      throw new PeerlaneError('invalid-argument', 'a node asks others, not itself');
    }
    // A timeout, which it would be else, is taken for the node's fault.
    if (reaches(node.ip)) return node;
    if (!allows(node.ip)) throw addressRefused(node.ip);
    const hosts = listen.endpoints.map(({ host }) => host).join(' and ');
    throw new PeerlaneError('dial-failed', `there is no way to ${node.ip} from a socket at ${hosts}`);
  }

  /** Whether the datagram is one of this protocol. */
  #receive(bytes: Uint8Array, from: UdpEndpoint): boolean {
    const isOwn = this.engine.receive(bytes, from, this.now) !== 'foreign';
    if (isOwn) this.schedule();
    return isOwn;
  }
}
