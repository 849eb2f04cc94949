/** Levels below a root. What we write needs five for a hundred thousand nodes. */
export const MAX_DEPTH = 32;
/** Entries that are known and not visited yet. */
export const MAX_PENDING = 16_384;
/** How often an entry is asked for, before it is left out of this pass. */
export const MAX_ATTEMPTS = 3;

/** A draw for `take`: what was found last comes first, so that little waits. */
export function depthFirst(below: number): number {
  return below - 1;
}

export interface Place {
  readonly hash: string;
  /** Levels below the top of the subtree. */
  readonly depth: number;
  /** How often it has been asked for in vain. */
  readonly attempts: number;
}

/**
 * One pass over a subtree: which entries are to be visited, each once, however many branches name it. What failed comes
 * again after all the rest.
 */
export class Subtree {
  readonly top: string;
  /** Entries of the kind that is looked for, found in this pass. */
  leaves = 0;
  /** Whether something was left out, since it could not be read or there was too much. */
  isPartial = false;
  readonly #limit: number;
  readonly #seen = new Set<string>();
  #pending: Place[];
  #failed: Place[] = [];

  /** @param limit how many entries a pass visits at most */
  constructor(top: string, limit: number) {
    this.top = top;
    this.#limit = limit;
    this.#seen.add(top);
    this.#pending = [{ hash: top, depth: 0, attempts: 0 }];
  }

  get isDone(): boolean {
    return this.#pending.length === 0 && this.#failed.length === 0;
  }

  /** Number of entries that are known. */
  get size(): number {
    return this.#seen.size;
  }

  /** Takes out a place to visit. @param random draws an integer from 0 to below its argument */
  take(random: (below: number) => number): Place | undefined {
    if (this.#pending.length === 0) [this.#pending, this.#failed] = [this.#failed, []];
    const last = this.#pending.pop();
    if (last === undefined) return undefined;
    const at = random(this.#pending.length + 1);
    const chosen = this.#pending[at];
    if (chosen === undefined) return last;
    this.#pending[at] = last;
    return chosen;
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
      this.#pending.push({ hash, depth, attempts: 0 });
    }
    return true;
  }

  /** Puts back what could not be read; it is left out when it has come too often. */
  putBack({ hash, depth, attempts }: Place): void {
    if (attempts + 1 < MAX_ATTEMPTS) this.#failed.push({ hash, depth, attempts: attempts + 1 });
    else this.isPartial = true;
  }
}
