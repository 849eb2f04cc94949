import { type Rate, RateLimit } from '../base/rate-limit.ts';
import type { Origin } from './origin.ts';
import { SharedRate } from './shared-rate.ts';

/** IP addresses or endpoints, and subnets, whose rates are remembered. */
export const MAX_RATED = 4096;
export const MAX_RATED_SUBNETS = 2048;

/** How often something is done for those who have proved nothing. */
export interface StrangerRates {
  /** For one IP address (of IPv6 a /48), ... */
  readonly ip: Rate;
  /** ... for one /24 or /48 that is not of a LAN or this machine, ... */
  readonly subnet: Rate;
  /** ... and for all of them. */
  readonly strangers: Rate;
}

/** What is for one address, and for one network. */
export class PlaceLimit {
  readonly #ip: RateLimit;
  readonly #subnet: RateLimit;

  constructor({ ip, subnet }: Pick<StrangerRates, 'ip' | 'subnet'>) {
    this.#ip = new RateLimit(ip, MAX_RATED);
    this.#subnet = new RateLimit(subnet, MAX_RATED_SUBNETS);
  }

  /** Addresses and subnets whose rates are remembered. */
  get size(): number {
    return this.#ip.size + this.#subnet.size;
  }

  /** Whether it may be done once more now. */
  admits({ network, place }: Origin, now: number): boolean {
    // Whoever is over a narrow limit takes nothing from the wider one.
    return this.#ip.take(place, now) && (network === undefined || this.#subnet.take(network, now));
  }
}

/** What may be done for those who have proved nothing: of what is for all whoever asks least has the first, so many networks keep none out. */
export class StrangerLimit {
  readonly #places: PlaceLimit;
  readonly #all: SharedRate;

  constructor(rates: StrangerRates) {
    this.#places = new PlaceLimit(rates);
    this.#all = new SharedRate(rates.strangers, MAX_RATED_SUBNETS);
  }

  /** Addresses and subnets whose rates are remembered. */
  get size(): number {
    return this.#places.size + this.#all.size;
  }

  /** Whether it may be done once more now. */
  admits(from: Origin, now: number): boolean {
    const isAdmitted = this.#places.admits(from, now) && this.#all.hasRoom(from, now);
    if (isAdmitted) this.#all.take(from, 1, now);
    return isAdmitted;
  }
}
