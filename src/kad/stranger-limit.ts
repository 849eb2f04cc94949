import { type Rate, RateLimit } from '../base/rate-limit.ts';
import type { Origin } from './origin.ts';

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

const ALL = '';

export class StrangerLimit {
  readonly #ip: RateLimit;
  readonly #subnet: RateLimit;
  readonly #all: RateLimit;

  constructor({ ip, subnet, strangers }: StrangerRates) {
    this.#ip = new RateLimit(ip, MAX_RATED);
    this.#subnet = new RateLimit(subnet, MAX_RATED_SUBNETS);
    this.#all = new RateLimit(strangers, 1);
  }

  /** Addresses and subnets whose rates are remembered. */
  get size(): number {
    return this.#ip.size + this.#subnet.size;
  }

  /** Whether it may be done once more now. */
  admits({ network, place }: Origin, now: number): boolean {
    // Whoever is over a narrow limit takes nothing from the wider one.
    return (
      this.#ip.take(place, now) &&
      (network === undefined || this.#subnet.take(network, now)) &&
      this.#all.take(ALL, now)
    );
  }
}
