import { LatestMap } from './recent.ts';

/** How often something may happen: so many a second on average, and so many at once. */
export interface Rate {
  readonly perSecond: number;
  readonly burst: number;
}

interface Bucket {
  tokens: number;
  at: number;
}

/**
 * A token bucket for each key, of which the latest `capacity` are remembered: whoever is forgotten starts with a full
 * one. Those that are full again are not kept.
 */
export class RateLimit {
  readonly #rate: Rate;
  readonly #buckets: LatestMap<Bucket>;

  constructor(rate: Rate, capacity: number) {
    this.#rate = rate;
    this.#buckets = new LatestMap(capacity);
  }

  get size(): number {
    return this.#buckets.size;
  }

  /** Whether it may happen once more now. @param now milliseconds */
  take(key: string, now: number): boolean {
    const bucket = this.#filled(key, now);
    if (bucket.tokens < 1) return false;
    bucket.tokens--;
    return true;
  }

  /** Whether it might happen once more now; nothing is taken. */
  allows(key: string, now: number): boolean {
    const bucket = this.#buckets.get(key);
    return bucket === undefined || this.#tokens(bucket, now) >= 1;
  }

  /** It has happened, and counts for so many times, for more than there were, too. */
  spend(key: string, count: number, now: number): void {
    this.#filled(key, now).tokens -= count;
  }

  #tokens({ tokens, at }: Bucket, now: number): number {
    const { perSecond, burst } = this.#rate;
    return Math.min(burst, tokens + ((now - at) * perSecond) / 1000);
  }

  /** With what there is now, as the one that was used last. */
  #filled(key: string, now: number): Bucket {
    const known = this.#buckets.use(key);
    if (known !== undefined) {
      known.tokens = this.#tokens(known, now);
      known.at = now;
      return known;
    }
    const { perSecond, burst } = this.#rate;
    const since = now - (burst * 1000) / perSecond;
    this.#buckets.forgetWhile(({ at }) => at <= since);
    const bucket = { tokens: burst, at: now };
    this.#buckets.set(key, bucket);
    return bucket;
  }
}
