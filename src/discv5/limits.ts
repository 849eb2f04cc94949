/** What of all that comes in is looked at: packets cost little, signatures and key agreements do not. */
import type { Rate } from '../base/rate-limit.ts';
import { MAX_RATED, type Origin, SharedRate, StrangerLimit, type StrangerRates } from '../kad/index.ts';
import { KnownLimit, type KnownRates } from './known-limit.ts';

/** For strangers: WHOAREYOUs, and handshakes that are checked. */
export interface Discv5Limits extends KnownRates, StrangerRates {
  /**
   * Milliseconds that may go into checking handshakes, and records in requests for topics: what one costs depends on the machine, and
   * on the backend. One network (IPv6: a /32; in a LAN one address) has at most half.
   */
  readonly handshakeMs: Rate;
}

export const DEFAULT_DISCV5_LIMITS: Discv5Limits = {
  // Protocols that run over TalkReq send hundreds a second.
  known: { perSecond: 500, burst: 200 },
  // Each is less than half of the next, so that one that floods leaves those beside it their part.
  knownIp: { perSecond: 1_200, burst: 400 },
  knownLocalIp: { perSecond: 2_400, burst: 800 },
  knownSubnet: { perSecond: 2_400, burst: 800 },
  // Less than a third of a thread's time, and a tenth of a second at once.
  allKnown: { perSecond: 6_000, burst: 2_000 },
  ip: { perSecond: 50, burst: 200 },
  // At once half of what is for all: more no network has while others ask, too.
  subnet: { perSecond: 200, burst: 500 },
  strangers: { perSecond: 2_000, burst: 1_000 },
  // The rest of the time is for those who are known.
  handshakeMs: { perSecond: 333, burst: 100 },
};

export class Limits {
  readonly known: KnownLimit;
  readonly #challenges: StrangerLimit;
  readonly #handshakes: StrangerLimit;
  readonly #checkTime: SharedRate;
  readonly #clock: () => number;

  /** @param clock milliseconds, which go on while something is done */
  constructor(limits: Discv5Limits, clock: () => number) {
    this.known = new KnownLimit(limits);
    this.#challenges = new StrangerLimit(limits);
    this.#handshakes = new StrangerLimit(limits);
    this.#checkTime = new SharedRate(limits.handshakeMs, MAX_RATED);
    this.#clock = clock;
  }

  /** Endpoints, addresses and subnets whose rates are remembered. */
  get rated(): number {
    return this.known.size + this.#challenges.size + this.#handshakes.size + this.#checkTime.size;
  }

  /** Whether a packet that does not open is answered with a WHOAREYOU, which is no larger. */
  admitsChallenge(from: Origin, now: number): boolean {
    return this.#challenges.admits(from, now);
  }

  /** Whether the proof of a handshake is checked. */
  admitsHandshake(from: Origin, now: number): boolean {
    return this.hasTimeToCheck(from, now) && this.#handshakes.admits(from, now);
  }

  /** Whether there is time for a check of what somebody has signed. */
  hasTimeToCheck(from: Origin, now: number): boolean {
    return this.#checkTime.hasRoom(from, now);
  }

  /** Checks it, and counts how long that takes. */
  check<T>(from: Origin, now: number, check: () => T): T {
    const begun = this.#clock();
    const checked = check();
    this.#checkTime.take(from, this.#clock() - begun, now);
    return checked;
  }
}
