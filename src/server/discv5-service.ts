import { throwIfAborted } from '../base/abort.ts';
import { equalBytes, toHex } from '../base/bytes.ts';
import { checkArray, checkInteger, invalidArgument, signalOf } from '../base/checks.ts';
import { PeerlaneError } from '../base/errors.ts';
import {
  Discv5Engine,
  type Discv5Ping,
  type Discv5Stats,
  identityOf,
  MAX_DISTANCE,
  type TopicSource,
} from '../discv5/index.ts';
import {
  isPublicKey,
  type NodeRecord,
  TOPIC_DISCOVERY_VERSION,
  topicDiscoveryEntries,
} from '../enr/index.ts';
import type { Endpoint } from '../io/tcp.ts';
import { ID_LENGTH, type KadNode, type TableView } from '../kad/index.ts';
import type { NodeMetrics } from '../observe/index.ts';
import type { Advertisement } from './advertisement.ts';
import { type CallOptions, isNamedOf, PING, type PingOptions } from './discovery-calls.ts';
import { discoveryV5Metrics } from './discovery-metrics.ts';
import { checkDiscv5Options, type Discv5ServiceOptions } from './discv5-options.ts';
import { resolveId } from './resolve-record.ts';
import { ServiceCore } from './service-core.ts';
import type { NodeSource } from './service-options.ts';
import { ServiceTopics, type TopicSearchOptions } from './service-topics.ts';
import { type TalkHandler, TalkHandlers, talkProtocol } from './talk.ts';

/** Distances of one question. */
const MAX_DISTANCES = 16;

/**
 * Discovery v5 on a UDP socket: answers others, keeps a table of nodes, and finds nodes for callers. Node ids are 32 bytes.
 *
 * ```js
 * const discovery = new Discv5Service({ key, listen: { host: '127.0.0.1', port: 0 }, bootnodes });
 * await discovery.start();
 * for await (const node of discovery.random({ signal })) console.log(node.ip);
 * ```
 */
export class Discv5Service implements AsyncDisposable {
  /** The node's public key, 64 bytes. */
  readonly publicKey: Uint8Array;
  /** The node's id. */
  readonly id: Uint8Array;
  /** The nodes that it knows: to be seen, not to be changed. */
  readonly table: TableView;
  readonly #core: ServiceCore<Discv5Engine>;
  readonly #talks: TalkHandlers;
  readonly #topics: ServiceTopics;

  /** @throws PeerlaneError `invalid-argument`, `invalid-secret-key`, `invalid-enode`, `invalid-record` */
  constructor(options: Discv5ServiceOptions) {
    const config = checkDiscv5Options(options);
    const { key, env, limits, reaches, topics, onEvent } = config;
    const identity = identityOf(key);
    this.publicKey = identity.publicKey.slice();
    this.id = identity.id.slice();
    this.#talks = new TalkHandlers(env, (protocol, error) =>
      onEvent({ kind: 'talk-failed', protocol, error }),
    );
    this.#core = new ServiceCore<Discv5Engine>({
      ...{ config, publicKey: identity.publicKey, isFirst: true },
      name: `discovery v5 of ${toHex(identity.id)}`,
      entries: topics ? () => topicDiscoveryEntries(TOPIC_DISCOVERY_VERSION) : undefined,
      target: { name: 'the node id', length: ID_LENGTH },
      makeEngine: (core) =>
        new Discv5Engine({
          ...{ identity, env, limits, seeds: core.seeds, topics },
          host: {
            send: (packet, to) => core.send(packet, to),
            localRecord: () => core.latestRecord,
            reaches,
            talk: (call) => this.#talks.take(call),
            event: (event) => {
              if (event.kind === 'node-answered') core.answered(event.node, event.seenAs);
              onEvent(event);
            },
          },
        }),
    });
    this.table = this.#core.table;
    this.#topics = new ServiceTopics(this.#core);
  }

  /**
   * Binds the socket, and begins to fill the table.
   * @throws PeerlaneError `port-in-use`, `listen-failed`, `closed`; `invalid-argument` when `record` gives none, and when the socket is
   * used by another service of this version with the same key
   */
  async start(): Promise<void> {
    await this.#core.start();
  }

  /**
   * One more node to begin with: a bootnode that was not known when the service was made.
   * @throws PeerlaneError `invalid-argument`, `invalid-enode`, `invalid-record`, `closed`; `dial-failed` when the socket has no
   * way to addresses of its family, `address-refused`
   */
  addBootnode(node: NodeSource): void {
    this.#core.addBootnode(node);
  }

  /**
   * A node that others have named, such as a list in DNS: it comes into the table when it answers, and nodes are looked for
   * with it where the table had none.
   * @throws PeerlaneError as `addBootnode`
   */
  addNode(node: NodeSource): void {
    this.#core.addNode(node);
  }

  /** The UDP port in use, of two the one of the first address; 0 before the start. */
  get port(): number {
    return this.#core.port;
  }

  /** The addresses and UDP ports in use, in the order of `listen`; none before the start. */
  get endpoints(): readonly Endpoint[] {
    return this.#core.endpoints;
  }

  /**
   * Whether the socket has a way to the address of a node: to those of its family that `netRestrict` and `netDeny` leave.
   * @throws PeerlaneError `invalid-argument`
   */
  reaches(node: KadNode): boolean {
    return this.#core.reaches(node);
  }

  /** The node's own record. @throws PeerlaneError `invalid-argument` when `record` gives none */
  get record(): NodeRecord {
    return this.#core.record;
  }

  stats(): Discv5Stats {
    return this.#core.engine.stats();
  }

  /** The part of a node's metrics that discovery has: for `serveMetrics`. */
  metrics(): NodeMetrics {
    const at = this.#core.unixTime;
    return { at, discoveryV5: discoveryV5Metrics(this.stats(), this.table.stats()) };
  }

  /**
   * Pings a node.
   * @throws PeerlaneError `request-timeout`, `request-overload`, `invalid-argument`, `invalid-enode`, `invalid-record`,
   * `invalid-public-key`, `aborted`, `closed`; `dial-failed` when the socket has no way to addresses of its family, `address-refused`;
   * with `named`: `request-withheld`
   */
  async ping(node: NodeSource, options: PingOptions = {}): Promise<Discv5Ping> {
    const remote = this.#remote(node);
    const { calls, engine } = this.#core;
    const isNamed = isNamedOf(options);
    return await calls.request<Discv5Ping>(PING, options, (done) =>
      engine[isNamed ? 'pingNamed' : 'ping'](remote, this.#core.now, done),
    );
  }

  /**
   * Asks a node for its own record, as one that others have named.
   * @throws PeerlaneError as `ping`, and `request-withheld`; `invalid-record` also when the node has answered without a record of its own that is valid
   */
  async requestRecord(node: NodeSource, options: CallOptions = {}): Promise<NodeRecord> {
    const remote = this.#remote(node);
    const { calls, engine } = this.#core;
    return await calls.request<NodeRecord>('FindNode', options, (done) =>
      engine.requestRecord(remote, this.#core.now, done),
    );
  }

  /**
   * Asks a node for the records of nodes at log-distances from it, at most 16 of 0 (itself) to 256.
   * @throws PeerlaneError as `ping`, and `request-withheld`
   */
  async findNode(
    node: NodeSource,
    distances: readonly number[],
    options: CallOptions = {},
  ): Promise<NodeRecord[]> {
    const remote = this.#remote(node);
    const asked = checkedDistances(distances);
    const { calls, engine } = this.#core;
    return await calls.request<NodeRecord[]>('FindNode', options, (done) =>
      engine.findNode(remote, asked, this.#core.now, done),
    );
  }

  /**
   * Says something to a node in a protocol of one's own; the answer is empty where the node does not know the protocol.
   * @param protocol a text, or any bytes, at most 256
   * @param request with the protocol at most 1,176 bytes: 1,175 where that has more than 55 of them, 1,174 where it has 256, and 1,177
   * where it is a single one below 0x80
   * @throws PeerlaneError as `ping`; `invalid-argument` also for what does not fit into a packet
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
    const { calls, engine } = this.#core;
    return await calls.request<Uint8Array>('TalkReq', options, (done) =>
      engine.talk(remote, name, said, this.#core.now, done, () => options.signal?.aborted !== true),
    );
  }

  /**
   * Answers those who talk to this node in a protocol; what it returns ends that.
   * @param handler has half a second as a rule, after which others wait no longer; after a second its answer is dropped. 64 requests
   * wait for their answers at a time, 16 of one node: others are dropped, which `stats().dropped.talk` counts
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
    return this.#core.lookup(target, options);
  }

  /**
   * The nodes closest to an id, at most 16 and nearest first, all of which have answered.
   * @throws PeerlaneError `invalid-argument`, `aborted`, `closed`
   */
  async findClosest(target: Uint8Array, options: CallOptions = {}): Promise<KadNode[]> {
    return await this.#core.findClosest(target, options);
  }

  /**
   * Nodes met on lookups of random ids, one after another and without an end; a node may come again in another lookup.
   * @throws PeerlaneError `invalid-argument`; from `next`: `aborted`, `closed`
   */
  random(options: CallOptions = {}): AsyncGenerator<KadNode, void, undefined> {
    return this.#core.random(options);
  }

  /**
   * The newest record of the node with this id that it, or others, can be asked for; `undefined` if none is found. That of a node
   * that does not answer may be old.
   * @throws PeerlaneError `invalid-argument`, `request-overload`, `aborted`, `closed`
   */
  async resolve(id: Uint8Array, options: CallOptions = {}): Promise<NodeRecord | undefined> {
    const wanted = this.#core.checkedTarget(id);
    throwIfAborted(signalOf(options));
    this.#core.checkRunning();
    if (equalBytes(wanted, this.id)) return this.record;
    return await resolveId(this, wanted, options);
  }

  /**
   * Advertises a topic from now on: nodes that take part in topic discovery keep the node's record, and give it to those who search
   * the topic. It goes on until it is closed, the signal aborts, or the service is closed.
   * @param topic 32 bytes, or a text, which stands for its hash: see `topicId`
   * @throws PeerlaneError `invalid-argument` also for a topic that is advertised already, or where topics are turned off;
   * `request-overload` for more than 64, `aborted`, `closed`
   */
  advertise(topic: TopicSource, options: CallOptions = {}): Advertisement {
    return this.#topics.advertise(topic, options);
  }

  /**
   * Nodes that advertise a topic, each once and with its newest record, and again where a registrar names a newer one by which it is
   * somewhere else, until enough are found or nobody is left to be asked. No more
   * are asked than it takes to have the next one. Whether they are there, or serve what they advertise, nobody has looked into.
   * @param topic as in `advertise`
   * @throws PeerlaneError `invalid-argument` also where topics are turned off; from `next`: `aborted`, `closed`
   */
  search(topic: TopicSource, options: TopicSearchOptions = {}): AsyncGenerator<KadNode, void, undefined> {
    return this.#topics.search(topic, options);
  }

  /** Stops: whoever waits for something gets the error `closed`. May be called twice. */
  async close(): Promise<void> {
    this.#talks.close();
    await this.#core.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #remote(source: NodeSource): KadNode {
    const node = this.#core.remote(source);
    if (isPublicKey(node.publicKey)) return node;
    throw new PeerlaneError('invalid-public-key', 'the public key of the node is no point of secp256k1');
  }
}

function checkedDistances(distances: readonly number[]): number[] {
  checkArray('distances', distances);
  checkInteger('the number of distances', distances.length, 1, MAX_DISTANCES);
  for (const distance of distances) checkInteger('a distance', distance, 0, MAX_DISTANCE);
  return [...distances];
}
