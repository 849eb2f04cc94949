/** Collections that are bounded by forgetting: what was set last stands last. */

interface Forgetting<K> {
  readonly size: number;
  keys(): Iterable<K>;
  delete(key: K): boolean;
}

/** Forgets the oldest of a map or a set that has more than `max`. */
export function forgetOldest<K>(collection: Forgetting<K>, max: number): void {
  // To begin with the keys takes longer than all else, and most calls find nothing to forget.
  if (collection.size <= max) return;
  for (const key of collection.keys()) {
    if (collection.size <= max) return;
    collection.delete(key);
  }
}

/** Puts an entry at the end of a map that remembers the latest `max`. */
export function setLatest<K, V>(map: Map<K, V>, key: K, value: V, max: number): void {
  map.delete(key);
  map.set(key, value);
  forgetOldest(map, max);
}

/** What is not to be done again for a while: the latest `max` keys, and until when. */
export class Held {
  readonly #max: number;
  readonly #until = new Map<string, number>();

  constructor(max: number) {
    this.#max = max;
  }

  get size(): number {
    return this.#until.size;
  }

  has(key: string, now: number): boolean {
    return this.leftMs(key, now) > 0;
  }

  /** For how much longer; 0 for what may be done. */
  leftMs(key: string, now: number): number {
    return Math.max(0, (this.#until.get(key) ?? Number.NEGATIVE_INFINITY) - now);
  }

  hold(key: string, now: number, ms: number): void {
    for (const [oldest, until] of this.#until) {
      if (until > now) break;
      this.#until.delete(oldest);
    }
    setLatest(this.#until, key, now + ms, this.#max);
  }

  release(key: string): void {
    this.#until.delete(key);
  }
}
