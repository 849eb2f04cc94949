import { setLatest } from '../base/recent.ts';
import { pauseAfter } from './pauses.ts';

/** Entries of a tree whose failures are remembered; of more, those that failed longest ago are as if they had not. */
export const MAX_ABSENT = 4_096;

interface Absence {
  readonly failures: number;
  readonly until: number;
}

/** Entries that could not be had: each waits by itself, after every failure twice as long, so that none holds up another. */
export class Absences {
  readonly #known = new Map<string, Absence>();

  get size(): number {
    return this.#known.size;
  }

  failed(hash: string, now: number): void {
    const failures = (this.#known.get(hash)?.failures ?? 0) + 1;
    setLatest(this.#known, hash, { failures, until: now + pauseAfter(failures) }, MAX_ABSENT);
  }

  /** It could be had. */
  ended(hash: string): void {
    this.#known.delete(hash);
  }

  /** When the entry may be asked for; in the past if nothing is known against it. */
  until(hash: string): number {
    return this.#known.get(hash)?.until ?? Number.NEGATIVE_INFINITY;
  }

  clear(): void {
    this.#known.clear();
  }
}
