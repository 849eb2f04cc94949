/** What of all that comes in is looked at: packets cost little, signatures and key agreements do not. */
import { type Rate, RateLimit } from '../base/rate-limit.ts';
import { MAX_RATED, type Origin, StrangerLimit, type StrangerRates } from '../kad/index.ts';

/** For strangers: WHOAREYOUs, and handshakes that are checked: what these cost bounds what they can make a node spend. */
export interface Discv5Limits extends StrangerRates {
  /** Packets of one endpoint with a session. */
  readonly known: Rate;
}

export const DEFAULT_DISCV5_LIMITS: Discv5Limits = {
  // Protocols that run over TalkReq send hundreds a second.
  known: { perSecond: 2_000, burst: 4_000 },
  ip: { perSecond: 50, burst: 200 },
  subnet: { perSecond: 200, burst: 800 },
  strangers: { perSecond: 2_000, burst: 1_000 },
};

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
