import type { Origin } from './origin.ts';
import { SharedRate } from './shared-rate.ts';
import { MAX_RATED_SUBNETS, PlaceLimit, type StrangerRates } from './stranger-limit.ts';

/** As `StrangerLimit`, but of what is for all whoever asks least has the first: many networks cannot keep one from its part. */
export class FairStrangerLimit {
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
