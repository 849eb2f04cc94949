import type { Env } from '../base/env.ts';
import { randomBelow, randomFraction } from '../base/random-numbers.ts';

/** Checks of nodes that are not live yet, or have just failed, are at most so far apart. */
export const FAST_CHECK_INTERVAL_MS = 3_000;
/** Checks of live nodes are at most so far apart. */
export const SLOW_CHECK_INTERVAL_MS = 20_000;
/** A live node goes when it leaves so many checks in a row without an answer; another goes at once. */
export const MAX_MISSES = 3;

/** What is on a list knows where. */
export interface Listed {
  listIndex: number;
}

/** Entries that wait for a check. Which is next, and when, nobody can foresee. */
export class CheckList<T extends Listed> {
  readonly #intervalMs: number;
  readonly #randomBytes: Env['randomBytes'];
  readonly #entries: T[] = [];
  #nextAt = Number.POSITIVE_INFINITY;

  constructor(intervalMs: number, randomBytes: Env['randomBytes']) {
    this.#intervalMs = intervalMs;
    this.#randomBytes = randomBytes;
  }

  /** When `take` gives the next entry; infinite if never. */
  get nextAt(): number {
    return this.#nextAt;
  }

  add(entry: T, now: number): void {
    entry.listIndex = this.#entries.length;
    this.#entries.push(entry);
    if (this.#entries.length === 1) this.#schedule(now);
  }

  /** The entry must be on the list. */
  remove(entry: T): void {
    const last = this.#entries.pop();
    if (last !== undefined && last !== entry) {
      this.#entries[entry.listIndex] = last;
      last.listIndex = entry.listIndex;
    }
    if (this.#entries.length === 0) this.#nextAt = Number.POSITIVE_INFINITY;
  }

  /** Takes a random entry off the list, if one is due. */
  take(now: number): T | undefined {
    if (now < this.#nextAt) return undefined;
    const entry = this.#entries[randomBelow(this.#entries.length, this.#randomBytes)];
    if (entry === undefined) return undefined;
    this.#schedule(now);
    this.remove(entry);
    return entry;
  }

  #schedule(now: number): void {
    this.#nextAt = now + randomFraction(this.#randomBytes) * this.#intervalMs;
  }
}
