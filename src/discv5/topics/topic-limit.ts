import { FairRate } from '../../base/fair-rate.ts';
import { MAX_RATED_SUBNETS, type Origin, PlaceLimit, type StrangerRates, sharerOf } from '../../kad/index.ts';

const ALL = '';

/** Requests that a registrar answers, of which whoever asks least has the first: many networks cannot keep one from its part. */
export class TopicLimit {
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

  /** Whether one more is answered now. */
  admits(from: Origin, now: number): boolean {
    const sharer = sharerOf(from);
    const isAdmitted = this.#places.admits(from, now) && this.#all.hasRoom(sharer, ALL, now);
    if (isAdmitted) this.#all.take(sharer, ALL, 1, now);
    return isAdmitted;
  }
}
