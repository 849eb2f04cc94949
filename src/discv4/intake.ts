/** What of all that comes in is looked at, and in which order: known nodes first, others as far as there is time. */
import { FairQueue } from '../base/fair-queue.ts';
import { type Rate, RateLimit } from '../base/rate-limit.ts';
import {
  MAX_RATED,
  MAX_RATED_SUBNETS,
  type Origin,
  StrangerLimit,
  type StrangerRates,
} from '../kad/index.ts';
import type { Message } from './messages.ts';

/** For strangers: Pings of which the signature is looked at: what that costs bounds what they can make a node spend. */
export interface IntakeLimits extends StrangerRates {
  /** Packets of one endpoint that has proved itself, ... */
  readonly known: Rate;
  /** ... of all such endpoints at one IP address, or in one /48, ... */
  readonly knownIp: Rate;
  /** ... which may be more in a LAN, where many nodes may share one (on this machine each endpoint has its own), ... */
  readonly knownLocalIp: Rate;
  /** ... and those whose signature is looked at, in one /24 or /48 that is not of a LAN or this machine. */
  readonly knownSubnet: Rate;
  /** Datagrams of all others at one IP address of which the hash is looked at, whatever they are, ... */
  readonly datagramsOfIp: Rate;
  /** ... and of all of them. */
  readonly datagrams: Rate;
}

export const DEFAULT_LIMITS: IntakeLimits = {
  known: { perSecond: 100, burst: 200 },
  knownIp: { perSecond: 200, burst: 400 },
  knownLocalIp: { perSecond: 1_000, burst: 2_000 },
  knownSubnet: { perSecond: 300, burst: 600 },
  datagramsOfIp: { perSecond: 500, burst: 1_000 },
  // A hash takes a twentieth of a signature's time.
  datagrams: { perSecond: 20_000, burst: 5_000 },
  ip: { perSecond: 50, burst: 200 },
  subnet: { perSecond: 200, burst: 800 },
  strangers: { perSecond: 2_000, burst: 1_000 },
};

/** Packets that wait to be verified; of one network no more than a quarter. */
export const MAX_KNOWN_QUEUE = 512;
export const MAX_STRANGER_QUEUE = 256;
/** Beside the packets of those who are known, one in how many of strangers is verified. */
const STRANGER_SHARE = 5;

export interface Incoming {
  readonly packet: Uint8Array;
  readonly from: Origin;
  readonly message: Message;
  /** When it came, in milliseconds. */
  readonly at: number;
}

const ALL = '';

/** Who takes turns with others: a network, as endpoints of one may be all of one host; in a LAN each endpoint. */
const ownerOf = ({ key, network }: Origin): string => network ?? key;

export class Intake {
  readonly #known = new FairQueue<Incoming>(MAX_KNOWN_QUEUE);
  readonly #strangers = new FairQueue<Incoming>(MAX_STRANGER_QUEUE);
  readonly #knownRate: RateLimit;
  readonly #knownIpRate: RateLimit;
  readonly #knownLocalIpRate: RateLimit;
  readonly #knownSubnetRate: RateLimit;
  readonly #datagramsOfIpRate: RateLimit;
  readonly #datagramRate: RateLimit;
  readonly #strangerLimit: StrangerLimit;

  constructor(limits: IntakeLimits) {
    this.#knownRate = new RateLimit(limits.known, MAX_RATED);
    this.#knownIpRate = new RateLimit(limits.knownIp, MAX_RATED);
    this.#knownLocalIpRate = new RateLimit(limits.knownLocalIp, MAX_RATED);
    this.#knownSubnetRate = new RateLimit(limits.knownSubnet, MAX_RATED_SUBNETS);
    this.#datagramsOfIpRate = new RateLimit(limits.datagramsOfIp, MAX_RATED);
    this.#datagramRate = new RateLimit(limits.datagrams, 1);
    this.#strangerLimit = new StrangerLimit(limits);
  }

  /** Whether the hash of what a known endpoint has sent is looked at. */
  admitsKnownDatagram(from: Origin, now: number): boolean {
    if (!this.#known.hasRoom(ownerOf(from))) return false;
    const ipRate = from.network === undefined ? this.#knownLocalIpRate : this.#knownIpRate;
    return this.#knownRate.take(from.key, now) && ipRate.take(from.place, now);
  }

  /**
   * Whether the signature of a known endpoint's packet is looked at, which was admitted as a datagram. What cannot be
   * of use has gone by now, so that forged packets take little of a network's share.
   */
  admitsKnown({ network }: Origin, now: number): boolean {
    return network === undefined || this.#knownSubnetRate.take(network, now);
  }

  /** Whether the hash of what a stranger has sent is looked at. */
  admitsDatagram(from: Origin, now: number): boolean {
    return this.#datagramsOfIpRate.take(from.place, now) && this.#datagramRate.take(ALL, now);
  }

  /** Whether the signature of a stranger's packet is looked at. */
  admitsStranger(from: Origin, now: number): boolean {
    if (!this.#strangers.hasRoom(ownerOf(from))) return false;
    return this.#strangerLimit.admits(from, now);
  }

  /** Takes in a packet that was admitted. */
  push(incoming: Incoming, isKnown: boolean): void {
    (isKnown ? this.#known : this.#strangers).push(ownerOf(incoming.from), incoming);
  }

  /** Addresses and subnets whose rates are remembered. */
  get rated(): number {
    return [
      ...[this.#knownRate, this.#knownIpRate, this.#knownLocalIpRate, this.#knownSubnetRate],
      ...[this.#datagramsOfIpRate, this.#strangerLimit],
    ].reduce((sum, { size }) => sum + size, 0);
  }

  get size(): number {
    return this.#known.size + this.#strangers.size;
  }

  /** When the oldest packet of those who are known came; `Infinity` if there is none. */
  get oldestKnown(): number {
    return this.#known.oldest?.at ?? Number.POSITIVE_INFINITY;
  }

  /** The packets to be verified next, `max` or, with a share for strangers, a fifth more; the known ones are first. */
  take(max: number): { readonly known: readonly Incoming[]; readonly strangers: readonly Incoming[] } {
    const known = this.#known.take(max);
    const strangers = this.#strangers.take(Math.ceil(max / STRANGER_SHARE));
    return { known, strangers };
  }
}
