/** How often something has happened of late. */

/** What happened counts for this time at least, and for twice as long at most, where no other time is given. */
export const RECENT_MS: number = 10 * 60_000;

/** Counts by name. The names are of tables: nobody else makes them up. */
export class RecentCounts<K extends string> {
  #current = new Map<K, number>();
  #before = new Map<K, number>();
  #since = Number.NEGATIVE_INFINITY;
  readonly #windowMs: number;

  /** @param windowMs what happened counts for this time at least, and for twice as long at most */
  constructor(windowMs: number = RECENT_MS) {
    this.#windowMs = windowMs;
  }

  add(name: K, now: number): void {
    this.#turn(now);
    this.#current.set(name, (this.#current.get(name) ?? 0) + 1);
  }

  /** Those that are not 0. */
  counts(now: number): ReadonlyMap<K, number> {
    this.#turn(now);
    const sums = new Map(this.#before);
    for (const [name, count] of this.#current) sums.set(name, (sums.get(name) ?? 0) + count);
    return sums;
  }

  clear(): void {
    this.#current = new Map();
    this.#before = new Map();
  }

  #turn(now: number): void {
    const age = now - this.#since;
    if (age < this.#windowMs) return;
    this.#before = age < 2 * this.#windowMs ? this.#current : new Map();
    this.#current = new Map();
    this.#since = now;
  }
}
