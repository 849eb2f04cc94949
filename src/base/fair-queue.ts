/** So much of the room that is left may be one owner's, so that there is some for the next. */
const SHARE_OF_REST = 1 / 3;

/**
 * A bounded queue in which owners take turns: however much one of them puts in, another waits for no more than the turns
 * of those who wait too.
 *
 * One owner may add while it has less than a third of the room that is left, which alone gives it a quarter of the
 * capacity. Of those who put in without end each has the less the more they are, once some turns have been taken: of two
 * a fifth, of ten a thirteenth; and something is left for the next one.
 */
export class FairQueue<T extends object> {
  readonly #capacity: number;
  /** All, in the order in which they came. */
  readonly #items = new Set<T>();
  /** The same by owner; the one whose turn is next stands first. */
  readonly #lines = new Map<string, T[]>();

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  get size(): number {
    return this.#items.size;
  }

  /** The one that came first of those that are there. */
  get oldest(): T | undefined {
    return this.#items.values().next().value;
  }

  /** Whether there is room for one more of this owner's. */
  hasRoom(owner: string): boolean {
    const held = this.#lines.get(owner)?.length ?? 0;
    return held < (this.#capacity - this.size) * SHARE_OF_REST;
  }

  /** Puts in one for which there is room. */
  push(owner: string, item: T): void {
    this.#items.add(item);
    const line = this.#lines.get(owner);
    if (line === undefined) this.#lines.set(owner, [item]);
    else line.push(item);
  }

  /** At most so many: all, in the order in which they came, where there are no more; else one of each owner in turn. */
  take(max: number): T[] {
    if (this.size <= max) {
      const all = [...this.#items];
      this.#items.clear();
      this.#lines.clear();
      return all;
    }
    const taken: T[] = [];
    // Who goes to the end of the map is met again.
    for (const [owner, line] of this.#lines) {
      if (taken.length >= max) break;
      const item = line.shift();
      this.#lines.delete(owner);
      if (line.length > 0) this.#lines.set(owner, line);
      if (item === undefined) continue;
      this.#items.delete(item);
      taken.push(item);
    }
    return taken;
  }
}
