/** Engines of v4 in a network of packets. */
import { concatBytes } from '../../src/base/bytes.ts';
import type { Timer } from '../../src/base/env.ts';
import { generateSecretKey, publicKeyOf } from '../../src/crypto/index.ts';
import {
  DEFAULT_LIMITS,
  Discv4Engine,
  type Discv4Event,
  decodeMessage,
  encodeMessage,
  type IntakeLimits,
  isPacket,
  type Message,
  type PacketCrypto,
  packetCrypto,
  packetHash,
  withHash,
} from '../../src/discv4/index.ts';
import { type NodeRecord, signRecord } from '../../src/enr/index.ts';
import { type KadNode, kadNode, type LookupRun, type UdpEndpoint } from '../../src/kad/index.ts';
import { freshEndpoint, type Network } from '../support/packet-network.ts';

/** A signature that is the key itself: it costs nothing, and anybody can make it. */
export function cheapCrypto(publicKey: Uint8Array): PacketCrypto {
  const signature = concatBytes(publicKey, Uint8Array.of(0));
  return {
    open: (packets) => packets.map((packet) => packet.slice(32, 96)),
    seal: (contents) => contents.map((content) => withHash(signature, content)),
  };
}

export interface NodeOptions {
  readonly endpoint?: UdpEndpoint;
  readonly seeds?: readonly KadNode[];
  readonly secretKey?: Uint8Array;
  /** Default: real signatures. */
  readonly isCheap?: boolean;
  /** Default: all addresses. */
  readonly reaches?: (ip: string) => boolean;
  /** Packets that are opened in one tick; default: as the backend has it. */
  readonly openedAtOnce?: number;
  /** Those that differ from the default ones. */
  readonly limits?: Partial<IntakeLimits>;
}

/** An engine with an address and a timer. */
export class SimNode {
  readonly engine: Discv4Engine;
  readonly endpoint: UdpEndpoint;
  readonly publicKey: Uint8Array;
  readonly events: Discv4Event[] = [];
  record: NodeRecord;
  readonly #network: Network;
  #timer: Timer | undefined;

  constructor(network: Network, options: NodeOptions) {
    const { endpoint = freshEndpoint(), seeds = [], isCheap, secretKey, reaches = () => true } = options;
    const { openedAtOnce, limits } = options;
    const { env } = network;
    const key = secretKey ?? generateSecretKey(env);
    this.#network = network;
    this.endpoint = endpoint;
    this.publicKey = isCheap === true ? env.randomBytes(64) : publicKeyOf(key);
    const address = endpoint.ip.includes(':') ? { ip6: endpoint.ip } : { ip: endpoint.ip };
    // Nobody would take the record of a cheap key, and nobody asks for one that is no newer than none.
    const seq = isCheap === true ? 0n : 1n;
    this.record = signRecord(key, { seq, entries: { ...address, udp: endpoint.port, tcp: 30303 } });
    const crypto = isCheap === true ? cheapCrypto(this.publicKey) : packetCrypto(key);
    this.engine = new Discv4Engine({
      publicKey: this.publicKey,
      crypto: openedAtOnce === undefined ? crypto : { ...crypto, openedAtOnce },
      env,
      seeds,
      limits: { ...DEFAULT_LIMITS, ...limits },
      host: {
        send: (packet, to) => network.send(packet, endpoint, to),
        localRecord: () => this.record,
        localEndpoint: () => ({ ip: endpoint.ip, udpPort: endpoint.port, tcpPort: 30303 }),
        reaches,
        event: (event) => this.events.push(event),
      },
    });
    network.attach(endpoint, this);
  }

  get now(): number {
    return this.#network.env.now();
  }

  get node(): KadNode {
    const { ip, port } = this.endpoint;
    return kadNode({ publicKey: this.publicKey, ip, udpPort: port, tcpPort: 30303 });
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

  ask<T>(begin: (done: (result: T | undefined) => void) => void): { result: T | undefined; isDone: boolean } {
    const state: { result: T | undefined; isDone: boolean } = { result: undefined, isDone: false };
    begin((result) => {
      state.result = result;
      state.isDone = true;
    });
    this.schedule();
    return state;
  }

  lookup(target: Uint8Array): LookupRun {
    const run = this.engine.lookup(target);
    this.engine.resumeLookup(run, this.now);
    this.schedule();
    return run;
  }
}

/** A node of the test itself, which answers nothing unless it is told to. */
export class Puppet {
  readonly endpoint: UdpEndpoint;
  readonly publicKey: Uint8Array;
  readonly received: Message[] = [];
  /** Bytes of all that came. */
  receivedBytes = 0;
  sentBytes = 0;
  readonly #network: Network;
  readonly #crypto: PacketCrypto;
  readonly #packets: Uint8Array[] = [];
  /** What to do with a message, beside keeping it. */
  onMessage: (message: Message, packet: Uint8Array) => void = () => undefined;

  /** @param secretKey default: a random one; `cheap` for signatures that only cheap nodes take */
  constructor(network: Network, endpoint: UdpEndpoint = freshEndpoint(), secretKey?: Uint8Array | 'cheap') {
    const key = secretKey ?? generateSecretKey(network.env);
    this.#network = network;
    this.endpoint = endpoint;
    this.publicKey = key === 'cheap' ? network.env.randomBytes(64) : publicKeyOf(key);
    this.#crypto = key === 'cheap' ? cheapCrypto(this.publicKey) : packetCrypto(key);
    network.attach(endpoint, this);
  }

  get node(): KadNode {
    const { ip, port } = this.endpoint;
    return kadNode({ publicKey: this.publicKey, ip, udpPort: port, tcpPort: 30303 });
  }

  get expiration(): number {
    return Math.floor(this.#network.env.unixTime() / 1000) + 20;
  }

  receive(packet: Uint8Array): void {
    if (!isPacket(packet)) throw new Error('not a packet');
    const message = decodeMessage(packet);
    if (message === undefined) throw new Error('no message');
    this.receivedBytes += packet.length;
    this.received.push(message);
    this.#packets.push(packet);
    this.onMessage(message, packet);
  }

  take<K extends Message['kind']>(kind: K): Extract<Message, { kind: K }>[] {
    const isOf = (message: Message): message is Extract<Message, { kind: K }> => message.kind === kind;
    return this.received.filter(isOf);
  }

  /** The hash of the latest packet of this kind that came. */
  hashOf(kind: Message['kind']): Uint8Array {
    const index = this.received.findLastIndex((message) => message.kind === kind);
    return packetHash(this.#packets[index] ?? new Uint8Array(32));
  }

  seal(message: Message): Uint8Array {
    return this.sealContent(encodeMessage(message));
  }

  sealContent(content: Uint8Array): Uint8Array {
    const [packet] = this.#crypto.seal([content]);
    if (packet === undefined) throw new Error('nothing was sealed');
    return packet;
  }

  /** Sends a message; returns the hash of its packet. */
  send(to: SimNode, message: Message, from: UdpEndpoint = this.endpoint): Uint8Array {
    return this.sendPacket(to, this.seal(message), from);
  }

  sendPacket(to: SimNode, packet: Uint8Array, from: UdpEndpoint = this.endpoint): Uint8Array {
    this.sentBytes += packet.length;
    this.#network.send(packet, from, to.endpoint);
    return packetHash(packet);
  }

  ping(to: SimNode, from?: UdpEndpoint): Uint8Array {
    const endpoint = { ip: this.endpoint.ip, udpPort: this.endpoint.port, tcpPort: 30303 };
    const message: Message = { kind: 'ping', from: endpoint, to: endpoint, expiration: this.expiration };
    return this.send(to, message, from);
  }

  pong(to: SimNode, pingHash: Uint8Array, from?: UdpEndpoint): void {
    const endpoint = { ip: to.endpoint.ip, udpPort: to.endpoint.port, tcpPort: 30303 };
    this.send(to, { kind: 'pong', to: endpoint, pingHash, expiration: this.expiration, enrSeq: 1n }, from);
  }

  /** Answers each Ping from now on. */
  answerPings(node: SimNode): void {
    this.onMessage = (message, packet) => {
      if (message.kind === 'ping') this.pong(node, packetHash(packet));
    };
  }
}
