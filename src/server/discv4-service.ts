import { equalBytes } from '../base/bytes.ts';
import { checkBoolean, checkLength, checkObject, reading, signalOf } from '../base/checks.ts';
import { Closing } from '../base/closing.ts';
import { PeerlaneError } from '../base/errors.ts';
import { PUBLIC_KEY_LENGTH, publicKeyOf } from '../crypto/index.ts';
import {
  type ClockSkew,
  Discv4Engine,
  type Discv4Stats,
  type PingResult,
  packetCryptoBeside,
} from '../discv4/index.ts';
import { isPublicKey, type NodeRecord } from '../enr/index.ts';
import { addressRefused } from '../io/tcp.ts';
import type { UdpSocket } from '../io/udp.ts';
import { type KadNode, TableView } from '../kad/index.ts';
import type { NodeMetrics } from '../observe/index.ts';
import { type CallOptions, closedError, DiscoveryCalls, PING } from './discovery-calls.ts';
import { DiscoveryLookups } from './discovery-lookups.ts';
import { discoveryMetrics } from './discovery-metrics.ts';
import { DiscoveryTicker } from './discovery-ticker.ts';
import { checkDiscv4Options, type Discv4ServiceConfig, type Discv4ServiceOptions } from './discv4-options.ts';
import { toldHost } from './listen-host.ts';
import { OwnRecord } from './own-record.ts';
import { resolveRecord } from './resolve-record.ts';
import { type NodeSource, nodeOf } from './service-options.ts';
import { openUdp } from './shared-udp.ts';

export interface PingOptions extends CallOptions {
  /**
   * Whether others have named the node, who may want us to ping somebody: where nobody has answered the last Pings to its
   * address, none is sent for a while. Default: false.
   */
  readonly named?: boolean;
}

/**
 * Discovery v4 on a UDP socket: answers others, keeps a table of nodes, and finds nodes for callers.
 *
 * ```js
 * const discovery = new Discv4Service({ key, listen: { host: '127.0.0.1', port: 0 }, bootnodes });
 * await discovery.start();
 * for await (const node of discovery.random({ signal })) console.log(node.ip);
 * ```
 */
export class Discv4Service implements AsyncDisposable {
  /** The node's public key, 64 bytes. */
  readonly publicKey: Uint8Array;
  /** The nodes that it knows: to be seen, not to be changed. */
  readonly table: TableView;
  readonly #config: Discv4ServiceConfig;
  readonly #engine: Discv4Engine;
  readonly #ticker: DiscoveryTicker;
  readonly #closing = new Closing();
  readonly #calls: DiscoveryCalls;
  readonly #lookups: DiscoveryLookups;
  readonly #record: OwnRecord;
  #socket: UdpSocket | undefined;
  #binding: Promise<UdpSocket> | undefined;

  /** @throws PeerlaneError `invalid-argument`, `invalid-secret-key`, `invalid-enode`, `invalid-record` */
  constructor(options: Discv4ServiceOptions) {
    this.#config = checkDiscv4Options(options);
    const { key, listen, env, seeds, limits, tcpPort, reaches, onEvent } = this.#config;
    this.publicKey = publicKeyOf(key);
    this.#record = new OwnRecord(this.#config, this.publicKey);
    const ip = toldHost(listen.host);
    const crypto = packetCryptoBeside(key, (batch, results) => {
      try {
        this.#engine.complete(batch, results, env.now());
      } finally {
        this.#ticker.schedule();
      }
    });
    this.#engine = new Discv4Engine({
      ...{ publicKey: this.publicKey, crypto, env, limits },
      seeds: seeds.filter(({ publicKey }) => !equalBytes(publicKey, this.publicKey)),
      host: {
        send: (packet, { ip, port }) => this.#socket?.send(packet, ip, port),
        localRecord: () => this.#record.latest,
        localEndpoint: () => ({ ip, udpPort: this.#socket?.port ?? 0, tcpPort }),
        reaches,
        event: (event) => {
          if (event.kind === 'node-answered') this.#record.answered(event.node, event.seenAs);
          onEvent(event);
        },
      },
    });
    this.table = new TableView(this.#engine.table);
    const ticker = new DiscoveryTicker(this.#engine, env);
    this.#ticker = ticker;
    const shared = { env, closing: this.#closing };
    const schedule = () => ticker.schedule();
    const isRunning = () => this.#socket !== undefined;
    this.#calls = new DiscoveryCalls({ ...shared, isRunning, begun: schedule });
    const asking = { engine: this.#engine, calls: this.#calls, resumed: schedule };
    const targetLength = PUBLIC_KEY_LENGTH;
    this.#lookups = new DiscoveryLookups({ ...shared, ...asking, targetLength });
  }

  /**
   * Binds the socket, and begins to fill the table.
   * @throws PeerlaneError `port-in-use`, `listen-failed`, `closed`, `invalid-argument` when `record` gives none
   */
  async start(): Promise<void> {
    if (this.#binding !== undefined) throw new PeerlaneError('closed', 'discovery starts once');
    if (this.#closing.isClosed) throw closedError();
    const { listen, onEvent, env } = this.#config;
    const failed = (error: PeerlaneError): void => onEvent({ kind: 'listener-failed', error });
    const message = (bytes: Uint8Array, ip: string, port: number) => this.#receive(bytes, ip, port);
    this.#binding = openUdp(listen, { message, failed }, false);
    const socket = await this.#bound(this.#binding);
    if (this.#closing.isClosed) {
      await socket.close();
      throw new PeerlaneError('closed', 'discovery was closed while it started');
    }
    this.#socket = socket;
    // Who has seen it before knows of no port, or of another.
    this.#record.listens(socket);
    try {
      // From now on it is in packets, where nobody could be told that there is none.
      void this.#record.current;
    } catch (error) {
      await this.close();
      throw error;
    }
    onEvent({ kind: 'listening', host: socket.host, port: socket.port });
    this.#engine.start(env.now());
    this.#ticker.start();
  }

  /** One that could not be bound may be tried again. */
  async #bound(binding: Promise<UdpSocket>): Promise<UdpSocket> {
    try {
      return await binding;
    } catch (error) {
      this.#binding = undefined;
      throw error;
    }
  }

  /**
   * One more node to begin with: a bootnode that was not known when the service was made.
   * @throws PeerlaneError `invalid-argument`, `invalid-enode`, `invalid-record`, `closed`; `dial-failed` when the socket has no
   * way to addresses of its family, `address-refused`
   */
  addBootnode(node: NodeSource): void {
    this.#engine.addSeed(this.#added(node), this.#config.env.now());
    this.#ticker.schedule();
  }

  /**
   * A node that others have named, such as a list in DNS: it comes into the table when it answers, and nodes are looked for
   * with it where the table had none.
   * @throws PeerlaneError as `addBootnode`
   */
  addNode(node: NodeSource): void {
    this.#engine.addNamed(this.#added(node), this.#config.env.now());
    this.#ticker.schedule();
  }

  #added(node: NodeSource): KadNode {
    if (this.#closing.isClosed) throw closedError();
    return this.#remote(node);
  }

  /** The UDP port in use; 0 before the start. */
  get port(): number {
    return this.#socket?.port ?? 0;
  }

  /**
   * Whether the socket has a way to the address of a node: to those of its family that `netRestrict` and `netDeny` leave.
   * @throws PeerlaneError `invalid-argument`
   */
  reaches(node: KadNode): boolean {
    return this.#config.reaches(nodeOf(node).ip);
  }

  /** The node's own record. @throws PeerlaneError `invalid-argument` when `record` gives none */
  get record(): NodeRecord {
    return this.#record.current;
  }

  /** By how much the clocks of others differ from this machine's; `undefined` when too few were heard of late. */
  clockSkew(): ClockSkew | undefined {
    return this.#engine.clockSkew(this.#config.env.now());
  }

  stats(): Discv4Stats {
    return this.#engine.stats();
  }

  /** The part of a node's metrics that discovery has: for `serveMetrics`. */
  metrics(): NodeMetrics {
    return { at: this.#config.env.unixTime(), discovery: discoveryMetrics(this.stats(), this.table.stats()) };
  }

  /**
   * Pings a node.
   * @throws PeerlaneError `request-timeout`, `request-overload`, `invalid-argument`, `invalid-enode`, `invalid-record`,
   * `aborted`, `closed`; `dial-failed` when the socket has no way to addresses of its family, `address-refused`; with `named`:
   * `request-withheld`
   */
  async ping(node: NodeSource, options: PingOptions = {}): Promise<PingResult> {
    const remote = this.#remote(node);
    const { env } = this.#config;
    const isNamed = isNamedOf(options);
    return await this.#calls.request(PING, options, (done) =>
      this.#engine[isNamed ? 'pingNamed' : 'ping'](remote, env.now(), done),
    );
  }

  /**
   * Asks a node for its record, after a Ping as to one that others have named.
   * @throws PeerlaneError as `ping`, and `request-withheld`; `invalid-record` also when the node has answered with a record
   * that cannot be verified, or with another node's
   */
  async requestRecord(node: NodeSource, options: CallOptions = {}): Promise<NodeRecord> {
    const remote = this.#remote(node);
    const { env } = this.#config;
    return await this.#calls.request('ENRRequest', options, (done) =>
      this.#engine.requestRecord(remote, env.now(), done),
    );
  }

  /**
   * Asks a node for those it knows that are close to `target`, a public key of 64 bytes.
   * @throws PeerlaneError as `ping`, and `request-withheld`
   */
  async findNode(node: NodeSource, target: Uint8Array, options: CallOptions = {}): Promise<KadNode[]> {
    const remote = this.#remote(node);
    const to = checkedTarget(target);
    const { env } = this.#config;
    const nodes = await this.#calls.request<KadNode[]>('FindNode', options, (done) =>
      this.#engine.findNode(remote, to, env.now(), done),
    );
    // Anybody can name a key that nobody has.
    return nodes.filter(({ publicKey }) => isPublicKey(publicKey));
  }

  /**
   * Looks a public key of 64 bytes up, and gives the nodes met on the way: at first those of the table, then those that
   * others tell of, which may be gone. Each comes once; one that does not answer comes again, at most twice, if others
   * name another place. No more nodes are asked than it takes to have the next one.
   * At the end it returns what `findClosest` does.
   * @throws PeerlaneError `invalid-argument`; from `next`: `aborted`, `closed`
   */
  lookup(target: Uint8Array, options: CallOptions = {}): AsyncGenerator<KadNode, KadNode[], undefined> {
    return this.#lookups.lookup(checkedTarget(target), signalOf(options));
  }

  /**
   * The nodes closest to a public key of 64 bytes, at most 16 and nearest first, all of which have answered.
   * @throws PeerlaneError `invalid-argument`, `aborted`, `closed`
   */
  async findClosest(target: Uint8Array, options: CallOptions = {}): Promise<KadNode[]> {
    return await this.#lookups.findClosest(checkedTarget(target), signalOf(options));
  }

  /**
   * Nodes met on lookups of random keys, one after another and without an end; a node may come again in another lookup.
   * @throws PeerlaneError `invalid-argument`; from `next`: `aborted`, `closed`
   */
  random(options: CallOptions = {}): AsyncGenerator<KadNode, void, undefined> {
    return this.#lookups.random(signalOf(options));
  }

  /**
   * The record of the node with this public key, 64 bytes, as the node itself sends it; `undefined` if it is not found,
   * or does not answer.
   * @throws PeerlaneError `invalid-argument`, `request-overload`, `aborted`, `closed`; `invalid-record` when it answers, and
   * nowhere with a record of its own that can be verified
   */
  async resolve(publicKey: Uint8Array, options: CallOptions = {}): Promise<NodeRecord | undefined> {
    const wanted = checkedTarget(publicKey);
    signalOf(options);
    if (equalBytes(wanted, this.publicKey)) return this.record;
    return await resolveRecord(this, wanted, options);
  }

  /** Stops: whoever waits for something gets the error `closed`. May be called twice. */
  async close(): Promise<void> {
    this.#closing.close();
    this.#ticker.stop();
    // A start that has failed has told its own caller.
    const socket = await this.#binding?.catch(() => undefined);
    await socket?.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #remote(source: NodeSource): KadNode {
    const node = nodeOf(source, this.#config.reaches);
    if (equalBytes(node.publicKey, this.publicKey)) {
      throw new PeerlaneError('invalid-argument', 'a node asks others, not itself');
    }
    // A timeout, which it would be else, is taken for the node's fault.
    if (this.#config.reaches(node.ip)) return node;
    const { allows, listen } = this.#config;
    if (!allows(node.ip)) throw addressRefused(node.ip);
    const { host } = listen;
    throw new PeerlaneError('dial-failed', `there is no way to ${node.ip} from a socket at ${host}`);
  }

  /** Whether the datagram is one of this protocol. */
  #receive(bytes: Uint8Array, ip: string, port: number): boolean {
    const { env } = this.#config;
    const reception = this.#engine.receive(bytes, { ip, port }, env.now());
    if (reception === 'queued') this.#ticker.schedule();
    return reception !== 'foreign';
  }
}

/** A copy: the caller may use its buffer again at once. */
function checkedTarget(target: Uint8Array): Uint8Array {
  checkLength('the public key', target, PUBLIC_KEY_LENGTH);
  return target.slice();
}

function isNamedOf(options: PingOptions): boolean {
  return reading('the options of the call', () => {
    checkObject('the options of the call', options);
    const { named = false } = options;
    checkBoolean('named', named);
    return named;
  });
}
