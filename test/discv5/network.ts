/** Engines of v5 in a network of packets. */
import type { Timer } from '../../src/base/env.ts';
import { generateSecretKey, publicKeyOf } from '../../src/crypto/index.ts';
import {
  type Discv5Crypto,
  Discv5Engine,
  type Discv5Event,
  type Discv5Limits,
  type Done,
  type RequestFailure,
  type TalkCall,
  type TopicParameters,
} from '../../src/discv5/index.ts';
import { type EntryChanges, type NodeRecord, nodeIdOf, signRecord } from '../../src/enr/index.ts';
import { type KadNode, kadNode, type LookupRun, type UdpEndpoint } from '../../src/kad/index.ts';
import { freshEndpoint, type Network } from '../support/packet-network.ts';

export interface NodeOptions {
  readonly endpoint?: UdpEndpoint;
  /** Whether the record says where the node is. Default: true. */
  readonly isPublic?: boolean;
  readonly seeds?: readonly KadNode[];
  readonly secretKey?: Uint8Array;
  /** Default: all addresses. */
  readonly reaches?: (ip: string) => boolean;
  readonly limits?: Partial<Discv5Limits>;
  readonly entries?: EntryChanges;
  readonly talk?: (call: TalkCall) => boolean;
  /** Default: it takes part, and its record says so. */
  readonly topics?: Partial<TopicParameters> | false;
  /** Default: the real one. */
  readonly crypto?: Discv5Crypto;
  /** What the node measures with how long something takes. Default: the network's, by which nothing takes time. */
  readonly clock?: () => number;
}

/** An engine with an address and a timer. */
export class SimNode {
  readonly engine: Discv5Engine;
  endpoint: UdpEndpoint;
  readonly secretKey: Uint8Array;
  readonly publicKey: Uint8Array;
  readonly id: Uint8Array;
  readonly events: Discv5Event[] = [];
  record: NodeRecord;
  readonly #network: Network;
  #timer: Timer | undefined;

  constructor(network: Network, options: NodeOptions = {}) {
    const { endpoint = freshEndpoint(), isPublic = true, seeds = [], reaches = () => true, talk } = options;
    const { env } = network;
    this.secretKey = options.secretKey ?? generateSecretKey(env);
    this.publicKey = publicKeyOf(this.secretKey);
    this.id = nodeIdOf(this.publicKey);
    this.#network = network;
    this.endpoint = endpoint;
    const { topics = {}, crypto, clock = () => env.now() } = options;
    this.record = this.signed(1n, isPublic ? endpoint : undefined, options.entries);
    this.engine = new Discv5Engine({
      identity: { secretKey: this.secretKey, publicKey: this.publicKey, id: this.id },
      env: { now: clock, randomBytes: (length) => env.randomBytes(length) },
      ...{ seeds, limits: options.limits ?? {}, topics, ...(crypto === undefined ? {} : { crypto }) },
      host: {
        send: (packet, to) => network.send(packet, this.endpoint, to),
        localRecord: () => this.record,
        reaches,
        ...(talk === undefined ? {} : { talk }),
        event: (event) => this.events.push(event),
      },
    });
    network.attach(endpoint, this);
  }

  /** A record of this node's. */
  signed(seq: bigint, endpoint: UdpEndpoint | undefined, more: EntryChanges = {}): NodeRecord {
    const place =
      endpoint === undefined
        ? {}
        : endpoint.ip.includes(':')
          ? { ip6: endpoint.ip, udp6: endpoint.port }
          : { ip: endpoint.ip, udp: endpoint.port };
    return signRecord(this.secretKey, { seq, entries: { ...place, tcp: 30303, ...more } });
  }

  get now(): number {
    return this.#network.env.now();
  }

  /** As somebody knows it who has its record, wherever that says it is. */
  get node(): KadNode {
    const { ip, port } = this.endpoint;
    const { publicKey, record } = this;
    return kadNode({ publicKey, ip, udpPort: port, tcpPort: 30303, record });
  }

  /** As somebody knows it who has only its URL. */
  get bareNode(): KadNode {
    return { ...this.node, record: undefined };
  }

  start(): this {
    this.engine.start(this.now);
    this.schedule();
    return this;
  }

  /** Leaves without a word. */
  stop(): void {
    this.#network.detach(this.endpoint);
    this.#timer?.cancel();
  }

  /** Goes on at another place, with another record or with none. */
  moveTo(endpoint: UdpEndpoint): void {
    this.#network.detach(this.endpoint);
    this.endpoint = endpoint;
    this.#network.attach(endpoint, this);
  }

  receive(packet: Uint8Array, from: UdpEndpoint): void {
    this.engine.receive(packet, from, this.now);
    this.schedule();
  }

  schedule(): void {
    this.#timer?.cancel();
    const { deadline } = this.engine;
    if (deadline === Number.POSITIVE_INFINITY) return;
    this.#timer = this.#network.env.setTimer(Math.max(0, deadline - this.now), () => {
      this.engine.tick(this.now);
      this.schedule();
    });
  }

  ask<T>(begin: (done: Done<T>) => void): Asked<T> {
    const state: Asked<T> = { result: undefined, failure: undefined, isDone: false };
    begin((result, failure) => {
      Object.assign(state, { result, failure, isDone: true });
    });
    this.schedule();
    return state;
  }

  ping(node: KadNode) {
    return this.ask<{ enrSeq: bigint }>((done) => this.engine.ping(node, this.now, done));
  }

  findNode(node: KadNode, distances: readonly number[]) {
    return this.ask<NodeRecord[]>((done) => this.engine.findNode(node, distances, this.now, done));
  }

  lookup(target: Uint8Array): LookupRun {
    const run = this.engine.lookup(target);
    this.engine.resumeLookup(run, this.now);
    this.schedule();
    return run;
  }
}

export interface Asked<T> {
  result: T | undefined;
  failure: RequestFailure | undefined;
  isDone: boolean;
}
