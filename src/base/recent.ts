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

/** One entry, and its neighbours in the order of their use. */
class Place<V> {
  readonly key: string;
  value: V;
  older: Place<V> | undefined;
  newer: Place<V> | undefined;

  constructor(key: string, value: V) {
    this.key = key;
    this.value = value;
  }
}

/**
 * A map of the latest `max` entries, for what is used with each packet: to put an entry of a `Map` at its end leaves a gap where
 * it was, and whoever wants the oldest has to pass all of them.
 */
export class LatestMap<V> {
  readonly #max: number;
  readonly #places = new Map<string, Place<V>>();
  #oldest: Place<V> | undefined;
  #newest: Place<V> | undefined;

  constructor(max: number) {
    this.#max = max;
  }

  get size(): number {
    return this.#places.size;
  }

  /** Without any sign of its use. */
  get(key: string): V | undefined {
    return this.#places.get(key)?.value;
  }

  /** The entry stands last from now on, if there is one. */
  use(key: string): V | undefined {
    const place = this.#places.get(key);
    if (place === undefined) return undefined;
    if (place !== this.#newest) {
      this.#takeOut(place);
      this.#putLast(place);
    }
    return place.value;
  }

  /** Puts an entry last, and forgets the oldest if there are too many. */
  set(key: string, value: V): void {
    const known = this.#places.get(key);
    if (known !== undefined) {
      known.value = value;
      this.use(key);
      return;
    }
    const place = new Place(key, value);
    this.#places.set(key, place);
    this.#putLast(place);
    if (this.#places.size > this.#max && this.#oldest !== undefined) this.delete(this.#oldest.key);
  }

  delete(key: string): void {
    const place = this.#places.get(key);
    if (place === undefined) return;
    this.#places.delete(key);
    this.#takeOut(place);
  }

  /** Forgets the oldest, one after the other, as long as they are over. */
  forgetWhile(isOver: (value: V) => boolean): void {
    while (this.#oldest !== undefined && isOver(this.#oldest.value)) this.delete(this.#oldest.key);
  }

  /** The key of the oldest one that is meant. */
  oldest(isMeant: (value: V) => boolean): string | undefined {
    for (let place = this.#oldest; place !== undefined; place = place.newer) {
      if (isMeant(place.value)) return place.key;
    }
    return undefined;
  }

  #takeOut(place: Place<V>): void {
    const { older, newer } = place;
    if (older === undefined) this.#oldest = newer;
    else older.newer = newer;
    if (newer === undefined) this.#newest = older;
    else newer.older = older;
  }

  #putLast(place: Place<V>): void {
    place.older = this.#newest;
    place.newer = undefined;
    if (this.#newest === undefined) this.#oldest = place;
    else this.#newest.newer = place;
    this.#newest = place;
  }
}

/** What is not to be done again for a while: the latest `max` keys, and until when. */
export class Held {
  readonly #until: LatestMap<number>;

  constructor(max: number) {
    this.#until = new LatestMap(max);
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
    this.#until.forgetWhile((until) => until <= now);
    this.#until.set(key, now + ms);
  }

  release(key: string): void {
    this.#until.delete(key);
  }
}
