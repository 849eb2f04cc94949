/** A simulated UDP network: links with delay, loss and reordering, and hosts behind NAT. */
import type { Env } from '../../src/base/env.ts';
import type { UdpEndpoint } from '../../src/kad/index.ts';
import { Random } from './random.ts';

/** A host is at a random place of a square; the light takes so long along one of its sides. */
const SIDE_MS = 60;
/** What comes on top for each packet: on average, and for one of a hundred, which others then overtake. */
const JITTER_MS = 4;
const DETOUR_CHANCE = 0.01;
const DETOUR_MS = 80;
/** How long a NAT lets in packets of an endpoint to which one has gone out. */
export const NAT_LIFETIME_MS = 60_000;
/** Endpoints that a NAT remembers before it looks for those that it can forget. */
const NAT_SWEEP = 256;

export interface LinkOptions {
  readonly seed: number;
  /** The part of all packets that gets lost. */
  readonly loss?: number;
}

/** A datagram, or what stands for one that long. */
export interface Packet {
  readonly length: number;
}

export interface Receiver<P extends Packet = Uint8Array> {
  receive(packet: P, from: UdpEndpoint): void;
}

export interface Traffic {
  packets: number;
  bytes: number;
  /** By the type byte of discovery v4. */
  readonly byType: number[];
}

const TYPES = 7;
const TYPE_AT = 97;

export const noTraffic = (): Traffic => ({ packets: 0, bytes: 0, byType: new Array<number>(TYPES).fill(0) });

function count(traffic: Traffic, packet: Packet): void {
  const type = packet instanceof Uint8Array ? (packet[TYPE_AT] ?? 0) : 0;
  traffic.packets++;
  traffic.bytes += packet.length;
  if (type < TYPES) traffic.byType[type] = (traffic.byType[type] ?? 0) + 1;
}

/** What is attached to the network: it sends by this. */
export class Port<P extends Packet = Uint8Array> {
  readonly endpoint: UdpEndpoint;
  readonly receiver: Receiver<P>;
  readonly sent = noTraffic();
  readonly received = noTraffic();
  /** When it last wrote to each endpoint; `undefined`: there is no NAT in front of it. */
  readonly written: Map<string, number> | undefined;
  readonly x: number;
  readonly y: number;

  constructor(
    endpoint: UdpEndpoint,
    receiver: Receiver<P>,
    { isNat, x, y }: { isNat: boolean; x: number; y: number },
  ) {
    this.endpoint = endpoint;
    this.receiver = receiver;
    this.written = isNat ? new Map() : undefined;
    this.x = x;
    this.y = y;
  }

  wrote(to: string, now: number): void {
    if (this.written === undefined) return;
    this.written.set(to, now);
    if (this.written.size < NAT_SWEEP) return;
    for (const [key, at] of this.written) if (now - at > NAT_LIFETIME_MS) this.written.delete(key);
  }

  admits(from: string, now: number): boolean {
    if (this.written === undefined) return true;
    return now - (this.written.get(from) ?? Number.NEGATIVE_INFINITY) <= NAT_LIFETIME_MS;
  }
}

export class Links<P extends Packet = Uint8Array> {
  loss: number;
  readonly sent = noTraffic();
  /** Packets that got lost, that a NAT kept out, and that went to nobody. */
  readonly dropped = { lost: 0, nat: 0, nobody: 0 };
  readonly #env: Env;
  readonly #random: Random;
  readonly #ports = new Map<string, Port<P>>();

  constructor(env: Env, { seed, loss = 0 }: LinkOptions) {
    this.#env = env;
    this.#random = new Random(seed ^ 0x11ec5);
    this.loss = loss;
  }

  attach(endpoint: UdpEndpoint, receiver: Receiver<P>, { isNat = false }: { isNat?: boolean } = {}): Port<P> {
    const [x, y] = [this.#random.fraction() * SIDE_MS, this.#random.fraction() * SIDE_MS];
    const port = new Port(endpoint, receiver, { isNat, x, y });
    this.#ports.set(keyOf(endpoint), port);
    return port;
  }

  detach({ endpoint }: Port<P>): void {
    this.#ports.delete(keyOf(endpoint));
  }

  send(from: Port<P>, packet: P, to: UdpEndpoint): void {
    count(this.sent, packet);
    count(from.sent, packet);
    const [fromKey, toKey] = [keyOf(from.endpoint), keyOf(to)];
    from.wrote(toKey, this.#env.now());
    if (this.#random.chance(this.loss)) {
      this.dropped.lost++;
      return;
    }
    const target = this.#ports.get(toKey);
    const delay = this.#delay(from, target ?? from);
    if (target === undefined) this.dropped.nobody++;
    else this.#env.setTimer(delay, () => this.#deliver(packet, from.endpoint, fromKey, toKey));
  }

  #deliver(packet: P, from: UdpEndpoint, fromKey: string, toKey: string): void {
    const port = this.#ports.get(toKey);
    if (port === undefined) this.dropped.nobody++;
    else if (!port.admits(fromKey, this.#env.now())) this.dropped.nat++;
    else {
      count(port.received, packet);
      port.receiver.receive(packet, from);
    }
  }

  #delay(a: Port<P>, b: Port<P>): number {
    const detour = this.#random.chance(DETOUR_CHANCE) ? DETOUR_MS : 0;
    return 1 + Math.hypot(a.x - b.x, a.y - b.y) + this.#random.exponential(JITTER_MS) + detour;
  }
}

function keyOf({ ip, port }: UdpEndpoint): string {
  return `${ip} ${port}`;
}
