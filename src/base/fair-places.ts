import { Counts } from './counts.ts';
import { mayHaveMore } from './sharing.ts';

/**
 * Places that are shared by many: nobody gets one more who holds as many as are free. Whoever is alone has half of them, and what is
 * given back when nearly all are taken is for those who hold none. So do the parts of an owner share what that may hold.
 */
export class FairPlaces {
  readonly #max: number;
  readonly #held = new Counts<string>();
  readonly #heldByParts = new Counts<string>();
  #taken = 0;

  constructor(max: number) {
    this.#max = max;
  }

  /** Places that are taken. */
  get taken(): number {
    return this.#taken;
  }

  /**
   * Takes a place, if there is one for the owner.
   * @param part of the owner, if it has such: no other owner has one of that name
   */
  take(owner: string, part?: string): boolean {
    const ofPart = part === undefined ? undefined : this.#heldByParts.of(part);
    if (!mayHaveMore(this.#max - this.#taken, this.#held.of(owner), ofPart)) return false;
    this.#held.add(owner);
    if (part !== undefined) this.#heldByParts.add(part);
    this.#taken++;
    return true;
  }

  /** Gives back one that was taken, by the same part. */
  give(owner: string, part?: string): void {
    if (this.#held.of(owner) === 0) return;
    this.#taken--;
    this.#held.remove(owner);
    if (part !== undefined) this.#heldByParts.remove(part);
  }
}
