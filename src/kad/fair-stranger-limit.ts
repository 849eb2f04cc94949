import { FairRate } from '../base/fair-rate.ts';
import { type Origin, sharerOf } from './origin.ts';
import { MAX_RATED_SUBNETS, PlaceLimit, type StrangerRates } from './stranger-limit.ts';

const ALL = '';

/** As `StrangerLimit`, but of what is for all whoever asks least has the first: many networks cannot keep one from its part. */
export class FairStrangerLimit {
  readonly #places: PlaceLimit;
  readonly #all: FairRate;

  constructor(rates: StrangerRates) {
    this.#places = new PlaceLimit(rates);
    this.#all = new FairRate(rates.strangers, MAX_RATED_SUBNETS);
  }

  /** Addresses and subnets whose rates are remembered. */
  get size(): number {
    return this.#places.size + this.#all.size;
  }

  /** Whether it may be done once more now. */
  admits(from: Origin, now: number): boolean {
    const sharer = sharerOf(from);
    const isAdmitted = this.#places.admits(from, now) && this.#all.hasRoom(sharer, ALL, now);
    if (isAdmitted) this.#all.take(sharer, ALL, 1, now);
    return isAdmitted;
  }
}
