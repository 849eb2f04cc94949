/** What of all that comes in is looked at, and in which order: known nodes first, others as far as there is time. */
import { subnetOf, type UdpEndpoint } from './address.ts';
import type { Message } from './messages.ts';
import { type Rate, RateLimit } from './rate-limit.ts';

export interface IntakeLimits {
  /** Packets of one endpoint that has proved itself, ... */
  readonly known: Rate;
  /** ... and of all such endpoints at one IP address. */
  readonly knownIp: Rate;
  /** Datagrams of all other endpoints at one IP address of which the hash is looked at, whatever they are, ... */
  readonly datagramsOfIp: Rate;
  /** ... and of all of them. */
  readonly datagrams: Rate;
  /** Pings of strangers at one IP address of which the signature is looked at, ... */
  readonly ip: Rate;
  /** ... in one /24 or /48, ... */
  readonly subnet: Rate;
  /** ... and of all of them: what a signature check costs bounds what strangers can make a node spend. */
  readonly strangers: Rate;
}

export const DEFAULT_LIMITS: IntakeLimits = {
  known: { perSecond: 100, burst: 200 },
  knownIp: { perSecond: 1_000, burst: 2_000 },
  datagramsOfIp: { perSecond: 500, burst: 1_000 },
  // A hash takes a twentieth of a signature's time.
  datagrams: { perSecond: 20_000, burst: 5_000 },
  ip: { perSecond: 50, burst: 200 },
  subnet: { perSecond: 200, burst: 800 },
  strangers: { perSecond: 2_000, burst: 1_000 },
};

/** Packets that wait to be verified. */
export const MAX_KNOWN_QUEUE = 512;
export const MAX_STRANGER_QUEUE = 256;
/** Beside the packets of those who are known, one in how many of strangers is verified. */
const STRANGER_SHARE = 5;
/** IP addresses or endpoints, and subnets, whose rates are remembered. */
export const MAX_RATED = 4096;
export const MAX_RATED_SUBNETS = 2048;

export interface Incoming {
  readonly packet: Uint8Array;
  readonly from: UdpEndpoint;
  /** Of the endpoint. */
  readonly fromKey: string;
  readonly message: Message;
  /** When it came, in milliseconds. */
  readonly at: number;
}

const ALL = '';

/** Whose addresses share a limit: those of one network of IPv6 cost nothing. */
const placeOf = (ip: string): string => (ip.includes(':') ? subnetOf(ip) : ip);

export class Intake {
  #known: Incoming[] = [];
  #strangers: Incoming[] = [];
  readonly #knownRate: RateLimit;
  readonly #knownIpRate: RateLimit;
  readonly #datagramsOfIpRate: RateLimit;
  readonly #datagramRate: RateLimit;
  readonly #ipRate: RateLimit;
  readonly #subnetRate: RateLimit;
  readonly #strangerRate: RateLimit;

  constructor(limits: IntakeLimits) {
    this.#knownRate = new RateLimit(limits.known, MAX_RATED);
    this.#knownIpRate = new RateLimit(limits.knownIp, MAX_RATED);
    this.#datagramsOfIpRate = new RateLimit(limits.datagramsOfIp, MAX_RATED);
    this.#datagramRate = new RateLimit(limits.datagrams, 1);
    this.#ipRate = new RateLimit(limits.ip, MAX_RATED);
    this.#subnetRate = new RateLimit(limits.subnet, MAX_RATED_SUBNETS);
    this.#strangerRate = new RateLimit(limits.strangers, 1);
  }

  /** Whether a packet of a known endpoint is looked at. @param key of the endpoint */
  admitsKnown({ ip }: UdpEndpoint, key: string, now: number): boolean {
    if (this.#known.length >= MAX_KNOWN_QUEUE) return false;
    return this.#knownRate.take(key, now) && this.#knownIpRate.take(placeOf(ip), now);
  }

  /** Whether the hash of what a stranger has sent is looked at. */
  admitsDatagram({ ip }: UdpEndpoint, now: number): boolean {
    return this.#datagramsOfIpRate.take(placeOf(ip), now) && this.#datagramRate.take(ALL, now);
  }

  /** Whether the signature of a stranger's packet is looked at. */
  admitsStranger({ ip }: UdpEndpoint, now: number): boolean {
    if (this.#strangers.length >= MAX_STRANGER_QUEUE) return false;
    // Whoever is over a narrow limit takes nothing from the wider one.
    return (
      this.#ipRate.take(placeOf(ip), now) &&
      this.#subnetRate.take(subnetOf(ip), now) &&
      this.#strangerRate.take(ALL, now)
    );
  }

  /** Takes in a packet that was admitted. */
  push(incoming: Incoming, isKnown: boolean): void {
    (isKnown ? this.#known : this.#strangers).push(incoming);
  }

  /** Addresses and subnets whose rates are remembered. */
  get rated(): number {
    return [
      ...[this.#knownRate, this.#knownIpRate, this.#datagramsOfIpRate],
      ...[this.#ipRate, this.#subnetRate],
    ].reduce((sum, { size }) => sum + size, 0);
  }

  get size(): number {
    return this.#known.length + this.#strangers.length;
  }

  /** When the oldest packet of those who are known came; `Infinity` if there is none. */
  get oldestKnown(): number {
    return this.#known[0]?.at ?? Number.POSITIVE_INFINITY;
  }

  /** The packets to be verified next, `max` or, with a share for strangers, a fifth more; the known ones are first. */
  take(max: number): { readonly known: readonly Incoming[]; readonly strangers: readonly Incoming[] } {
    const known = this.#known.splice(0, max);
    const share = Math.ceil(max / STRANGER_SHARE);
    const strangers = this.#strangers.splice(0, share);
    return { known, strangers };
  }
}
