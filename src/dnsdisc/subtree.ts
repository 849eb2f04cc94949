/** Levels below a root. What we write needs five for a hundred thousand nodes. */
export const MAX_DEPTH = 32;
/** Entries that are known and not visited yet. */
export const MAX_PENDING = 16_384;

/** A draw for `take`: what was found last comes first, so that little waits. */
export function depthFirst(below: number): number {
  return below - 1;
}

export interface Place {
  readonly hash: string;
  /** Levels below the top of the subtree. */
  readonly depth: number;
}

/** One pass over a subtree: which entries are to be visited, each once, however many branches name it. */
export class Subtree {
  readonly top: string;
  /** Entries of the kind that is looked for, found in this pass. */
  leaves = 0;
  /** Whether something was left out, since there was too much, or it was too deep. */
  isPartial = false;
  readonly #limit: number;
  readonly #seen = new Set<string>();
  readonly #pending: Place[];

  /** @param limit how many entries a pass visits at most */
  constructor(top: string, limit: number) {
    this.top = top;
    this.#limit = limit;
    this.#seen.add(top);
    this.#pending = [{ hash: top, depth: 0 }];
  }

  get isDone(): boolean {
    return this.#pending.length === 0;
  }

  /** Number of entries that are known. */
  get size(): number {
    return this.#seen.size;
  }

  /**
   * Takes out a place to visit.
   * @param random draws an integer from 0 to below its argument
   * @param isReady whether the entry with this hash may be visited now; others are left where they are
   */
  take(
    random: (below: number) => number,
    isReady: (hash: string) => boolean = () => true,
  ): Place | undefined {
    const { length } = this.#pending;
    if (length === 0) return undefined;
    const from = random(length);
    for (let i = 0; i < length; i++) {
      const at = (from + i) % length;
      const chosen = this.#pending[at];
      if (chosen === undefined || !isReady(chosen.hash)) continue;
      const last = this.#pending.pop();
      if (last !== undefined && at < length - 1) this.#pending[at] = last;
      return chosen;
    }
    return undefined;
  }

  /** The first of the times at which an entry that is to be visited is ready; infinite if there is none. */
  firstReady(readyAt: (hash: string) => number): number {
    return this.#pending.reduce(
      (first, { hash }) => Math.min(first, readyAt(hash)),
      Number.POSITIVE_INFINITY,
    );
  }

  /** Notes what the branch at `place` names. Whether all of it was: else it is too deep, or there is too much. */
  add(place: Place, children: readonly string[]): boolean {
    const depth = place.depth + 1;
    for (const hash of children) {
      if (this.#seen.has(hash)) continue;
      const isFull = this.#seen.size >= this.#limit || this.#pending.length >= MAX_PENDING;
      if (depth > MAX_DEPTH || isFull) {
        this.isPartial = true;
        return false;
      }
      this.#seen.add(hash);
      this.#pending.push({ hash, depth });
    }
    return true;
  }

  /** Puts back what was taken and not read. */
  putBack(place: Place): void {
    this.#pending.push(place);
  }
}
