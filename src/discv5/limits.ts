/** What of all that comes in is looked at: packets cost little, signatures and key agreements do not. */
import { type Rate, RateLimit } from '../base/rate-limit.ts';
import type { Origin } from '../kad/index.ts';

export interface Discv5Limits {
  /** Packets of one endpoint with a session. */
  readonly known: Rate;
  /** WHOAREYOUs to one IP address (of IPv6 a /48), and handshakes of it that are checked; ... */
  readonly ip: Rate;
  /** ... of one /24 or /48 that is not of a LAN or this machine; ... */
  readonly subnet: Rate;
  /** ... and of all: what a handshake costs bounds what strangers can make a node spend. */
  readonly strangers: Rate;
}

export const DEFAULT_DISCV5_LIMITS: Discv5Limits = {
  // Protocols that run over TalkReq send hundreds a second.
  known: { perSecond: 2_000, burst: 4_000 },
  ip: { perSecond: 50, burst: 200 },
  subnet: { perSecond: 200, burst: 800 },
  strangers: { perSecond: 2_000, burst: 1_000 },
};

/** Endpoints or IP addresses, and subnets, whose rates are remembered. */
export const MAX_RATED = 4_096;
export const MAX_RATED_SUBNETS = 2_048;

const ALL = '';

/** The limits of one kind of work for strangers. */
class StrangerLimit {
  readonly #ip: RateLimit;
  readonly #subnet: RateLimit;
  readonly #all: RateLimit;

  constructor({ ip, subnet, strangers }: Discv5Limits) {
    this.#ip = new RateLimit(ip, MAX_RATED);
    this.#subnet = new RateLimit(subnet, MAX_RATED_SUBNETS);
    this.#all = new RateLimit(strangers, 1);
  }

  get size(): number {
    return this.#ip.size + this.#subnet.size;
  }

  admits({ network, place }: Origin, now: number): boolean {
    // Whoever is over a narrow limit takes nothing from the wider one.
    return (
      this.#ip.take(place, now) &&
      (network === undefined || this.#subnet.take(network, now)) &&
      this.#all.take(ALL, now)
    );
  }
}

export class Limits {
  readonly #known: RateLimit;
  readonly #challenges: StrangerLimit;
  readonly #handshakes: StrangerLimit;

  constructor(limits: Discv5Limits) {
    this.#known = new RateLimit(limits.known, MAX_RATED);
    this.#challenges = new StrangerLimit(limits);
    this.#handshakes = new StrangerLimit(limits);
  }

  /** Endpoints, addresses and subnets whose rates are remembered. */
  get rated(): number {
    return this.#known.size + this.#challenges.size + this.#handshakes.size;
  }

  /** Whether a packet of an endpoint with a session is opened. */
  admitsKnown({ key }: Origin, now: number): boolean {
    return this.#known.take(key, now);
  }

  /** Whether a packet that does not open is answered with a WHOAREYOU, which is no larger. */
  admitsChallenge(from: Origin, now: number): boolean {
    return this.#challenges.admits(from, now);
  }

  /** Whether the proof of a handshake is checked. */
  admitsHandshake(from: Origin, now: number): boolean {
    return this.#handshakes.admits(from, now);
  }
}
