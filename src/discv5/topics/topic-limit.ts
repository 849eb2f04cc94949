import { FairRate } from '../../base/fair-rate.ts';
import { RateLimit } from '../../base/rate-limit.ts';
import { MAX_RATED, MAX_RATED_SUBNETS, type Origin, type StrangerRates } from '../../kad/index.ts';
import { sharerOf } from '../known-limit.ts';

const ALL = '';

/** Requests that a registrar answers, of which whoever asks least has the first: many networks cannot keep one from its part. */
export class TopicLimit {
  readonly #ip: RateLimit;
  readonly #subnet: RateLimit;
  readonly #all: FairRate;

  constructor({ ip, subnet, strangers }: StrangerRates) {
    this.#ip = new RateLimit(ip, MAX_RATED);
    this.#subnet = new RateLimit(subnet, MAX_RATED_SUBNETS);
    this.#all = new FairRate(strangers, MAX_RATED_SUBNETS);
  }

  /** Addresses and subnets whose rates are remembered. */
  get size(): number {
    return this.#ip.size + this.#subnet.size + this.#all.size;
  }

  /** Whether one more is answered now. */
  admits(from: Origin, now: number): boolean {
    const { network, place } = from;
    const isAdmitted =
      this.#ip.take(place, now) &&
      (network === undefined || this.#subnet.take(network, now)) &&
      this.#all.hasRoom(sharerOf(from), ALL, now);
    if (isAdmitted) this.#all.take(sharerOf(from), ALL, 1, now);
    return isAdmitted;
  }
}
