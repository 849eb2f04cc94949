import { equalBytes } from '../base/bytes.ts';
import { checkArray, checkInteger, checkLength, invalidArgument, signalOf } from '../base/checks.ts';
import { Closing } from '../base/closing.ts';
import { PeerlaneError } from '../base/errors.ts';
import {
  Discv5Engine,
  type Discv5Ping,
  type Discv5Stats,
  identityOf,
  MAX_DISTANCE,
} from '../discv5/index.ts';
import { isPublicKey, type NodeRecord } from '../enr/index.ts';
import { addressRefused } from '../io/tcp.ts';
import type { UdpSocket } from '../io/udp.ts';
import { ID_LENGTH, type KadNode, TableView } from '../kad/index.ts';
import { type CallOptions, closedError, DiscoveryCalls, isFaultOfNode } from './discovery-calls.ts';
import { DiscoveryLookups } from './discovery-lookups.ts';
import { DiscoveryTicker } from './discovery-ticker.ts';
import { checkDiscv5Options, type Discv5ServiceConfig, type Discv5ServiceOptions } from './discv5-options.ts';
import { OwnRecord } from './own-record.ts';
import { type NodeSource, nodeOf } from './service-options.ts';
import { openUdp } from './shared-udp.ts';
import { type TalkHandler, TalkHandlers, talkProtocol } from './talk.ts';

/** Distances of one question. */
const MAX_DISTANCES = 16;

/**
 * Discovery v5 on a UDP socket: answers others, keeps a table of nodes, and finds nodes for callers. Node ids are 32 bytes.
 *
 * ```js
 * const discovery = new Discv5Service({ key, listen: { host: '127.0.0.1', port: 0 }, bootnodes });
 * await discovery.start();
 * for await (const node of discovery.random({ signal })) console.log(node.record.toString());
 * ```
 */
export class Discv5Service implements AsyncDisposable {
  /** The node's public key, 64 bytes. */
  readonly publicKey: Uint8Array;
  /** The node's id. */
  readonly id: Uint8Array;
  /** The nodes that it knows: to be seen, not to be changed. */
  readonly table: TableView;
  readonly #config: Discv5ServiceConfig;
  readonly #engine: Discv5Engine;
  readonly #ticker: DiscoveryTicker;
  readonly #closing = new Closing();
  readonly #calls: DiscoveryCalls;
  readonly #lookups: DiscoveryLookups;
  readonly #record: OwnRecord;
  readonly #talks: TalkHandlers;
  #socket: UdpSocket | undefined;
  #binding: Promise<UdpSocket> | undefined;

  /** @throws PeerlaneError `invalid-argument`, `invalid-secret-key`, `invalid-enode`, `invalid-record` */
  constructor(options: Discv5ServiceOptions) {
    this.#config = checkDiscv5Options(options);
    const { key, env, seeds, limits, reaches, onEvent } = this.#config;
    const identity = identityOf(key);
    this.publicKey = identity.publicKey;
    this.id = identity.id;
    this.#record = new OwnRecord(this.#config, this.publicKey);
    this.#talks = new TalkHandlers((protocol, error) => onEvent({ kind: 'talk-failed', protocol, error }));
    this.#engine = new Discv5Engine({
      ...{ identity, env, limits },
      seeds: seeds.filter(({ id }) => !equalBytes(id, identity.id)),
      host: {
        send: (packet, { ip, port }) => this.#socket?.send(packet, ip, port),
        localRecord: () => this.#record.latest,
        reaches,
        talk: (call) => this.#talks.take(call),
        event: (event) => {
          if (event.kind === 'node-answered') this.#answered(event.node, event.seenAs);
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
    const asking = { engine: this.#engine, calls: this.#calls, resumed: schedule, targetLength: ID_LENGTH };
    this.#lookups = new DiscoveryLookups({ ...shared, ...asking });
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
    this.#binding = openUdp(listen, { message, failed }, true);
    const socket = await this.#bound(this.#binding);
    if (this.#closing.isClosed) {
      await socket.close();
      throw new PeerlaneError('closed', 'discovery was closed while it started');
    }
    this.#socket = socket;
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

  stats(): Discv5Stats {
    return this.#engine.stats();
  }

  /**
   * Pings a node.
   * @throws PeerlaneError `request-timeout`, `request-overload`, `invalid-argument`, `invalid-enode`, `invalid-record`,
   * `invalid-public-key`, `aborted`, `closed`; `dial-failed` when the socket has no way to addresses of its family, `address-refused`
   */
  async ping(node: NodeSource, options: CallOptions = {}): Promise<Discv5Ping> {
    const remote = this.#remote(node);
    const { env } = this.#config;
    return await this.#calls.request<Discv5Ping>('Ping', options, (done) =>
      this.#engine.ping(remote, env.now(), done),
    );
  }

  /**
   * Asks a node for its own record.
   * @throws PeerlaneError as `ping`; `invalid-record` also when the node has answered without a record of its own that is valid
   */
  async requestRecord(node: NodeSource, options: CallOptions = {}): Promise<NodeRecord> {
    const remote = this.#remote(node);
    const { env } = this.#config;
    return await this.#calls.request<NodeRecord>('FindNode', options, (done) =>
      this.#engine.requestRecord(remote, env.now(), done),
    );
  }

  /**
   * Asks a node for the records of nodes at log-distances from it, at most 16 of 0 (itself) to 256.
   * @throws PeerlaneError as `ping`
   */
  async findNode(
    node: NodeSource,
    distances: readonly number[],
    options: CallOptions = {},
  ): Promise<NodeRecord[]> {
    const remote = this.#remote(node);
    const asked = checkedDistances(distances);
    const { env } = this.#config;
    return await this.#calls.request<NodeRecord[]>('FindNode', options, (done) =>
      this.#engine.findNode(remote, asked, env.now(), done),
    );
  }

  /**
   * Says something to a node in a protocol of one's own; the answer is empty where the node does not know the protocol.
   * @param protocol a text, or any bytes
   * @throws PeerlaneError as `ping`; `invalid-argument` also for a request that does not fit into a packet
   */
  async talk(
    node: NodeSource,
    protocol: string | Uint8Array,
    request: Uint8Array,
    options: CallOptions = {},
  ): Promise<Uint8Array> {
    const remote = this.#remote(node);
    const name = talkProtocol(protocol);
    if (!(request instanceof Uint8Array)) throw invalidArgument('the request is not a Uint8Array');
    const said = request.slice();
    const { env } = this.#config;
    return await this.#calls.request<Uint8Array>('TalkReq', options, (done) =>
      this.#engine.talk(remote, name, said, env.now(), done),
    );
  }

  /**
   * Answers those who talk to this node in a protocol; what it returns ends that.
   * @param handler has half a second as a rule, after which others wait no longer
   * @throws PeerlaneError `invalid-argument`
   */
  serveTalk(protocol: string | Uint8Array, handler: TalkHandler): () => void {
    return this.#talks.serve(protocol, handler);
  }

  /**
   * Looks a node id up, and gives the nodes met on the way: at first those of the table, then those that others tell of, which may
   * be gone. No more nodes are asked than it takes to have the next one. At the end it returns what `findClosest` does.
   * @throws PeerlaneError `invalid-argument`; from `next`: `aborted`, `closed`
   */
  lookup(target: Uint8Array, options: CallOptions = {}): AsyncGenerator<KadNode, KadNode[], undefined> {
    return this.#lookups.lookup(checkedId(target), signalOf(options));
  }

  /**
   * The nodes closest to an id, at most 16 and nearest first, all of which have answered.
   * @throws PeerlaneError `invalid-argument`, `aborted`, `closed`
   */
  async findClosest(target: Uint8Array, options: CallOptions = {}): Promise<KadNode[]> {
    return await this.#lookups.findClosest(checkedId(target), signalOf(options));
  }

  /**
   * Nodes met on lookups of random ids, one after another and without an end; a node may come again in another lookup.
   * @throws PeerlaneError `invalid-argument`; from `next`: `aborted`, `closed`
   */
  random(options: CallOptions = {}): AsyncGenerator<KadNode, void, undefined> {
    return this.#lookups.random(signalOf(options));
  }

  /**
   * The newest record of the node with this id that it, or others, can be asked for; `undefined` if none is found. That of a node
   * that does not answer may be old.
   * @throws PeerlaneError `invalid-argument`, `request-overload`, `aborted`, `closed`
   */
  async resolve(id: Uint8Array, options: CallOptions = {}): Promise<NodeRecord | undefined> {
    const wanted = checkedId(id);
    signalOf(options);
    if (equalBytes(wanted, this.id)) return this.record;
    let newest: NodeRecord | undefined;
    const known = this.table.get(wanted);
    if (known !== undefined) {
      const own = await this.#recordOf(known, options);
      if (own !== undefined) return own;
      newest = known.record;
    }
    for await (const node of this.lookup(wanted, options)) {
      if (!equalBytes(node.id, wanted)) continue;
      const own = await this.#recordOf(node, options);
      if (own !== undefined) return own;
      if ((node.record?.seq ?? -1n) > (newest?.seq ?? -1n)) newest = node.record;
    }
    return newest;
  }

  async #recordOf(node: KadNode, options: CallOptions): Promise<NodeRecord | undefined> {
    try {
      return await this.requestRecord(node, options);
    } catch (error) {
      if (isFaultOfNode(error)) return undefined;
      throw error;
    }
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

  #answered(node: KadNode, { ip, udpPort }: Discv5Ping['seenAs']): void {
    this.#record.answered(node, { ip, udpPort });
  }

  #remote(source: NodeSource): KadNode {
    const node = nodeOf(source, this.#config.reaches);
    if (equalBytes(node.publicKey, this.publicKey)) {
      throw new PeerlaneError('invalid-argument', 'a node asks others, not itself');
    }
    if (!isPublicKey(node.publicKey)) {
      throw new PeerlaneError('invalid-public-key', 'the public key of the node is no point of secp256k1');
    }
    // A timeout, which it would be else, is taken for the node's fault.
    if (this.#config.reaches(node.ip)) return node;
    const { allows, listen } = this.#config;
    if (!allows(node.ip)) throw addressRefused(node.ip);
    throw new PeerlaneError('dial-failed', `there is no way to ${node.ip} from a socket at ${listen.host}`);
  }

  #receive(bytes: Uint8Array, ip: string, port: number): boolean {
    const isOwn = this.#engine.receive(bytes, { ip, port }, this.#config.env.now()) === 'taken';
    if (isOwn) this.#ticker.schedule();
    return isOwn;
  }
}

/** A copy: the caller may use its buffer again at once. */
function checkedId(id: Uint8Array): Uint8Array {
  checkLength('the node id', id, ID_LENGTH);
  return id.slice();
}

function checkedDistances(distances: readonly number[]): number[] {
  checkArray('distances', distances);
  checkInteger('the number of distances', distances.length, 1, MAX_DISTANCES);
  for (const distance of distances) checkInteger('a distance', distance, 0, MAX_DISTANCE);
  return [...distances];
}
