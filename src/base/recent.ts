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
