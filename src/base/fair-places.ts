import { Counts } from './counts.ts';

/**
 * Places that are shared by many: nobody gets one more who holds as many as are free. Whoever is alone has half of them, and what is
 * given back when nearly all are taken is for those who hold none.
 */
export class FairPlaces {
  readonly #max: number;
  readonly #held = new Counts<string>();
  #taken = 0;

  constructor(max: number) {
    this.#max = max;
  }

  /** Places that are taken. */
  get taken(): number {
    return this.#taken;
  }

  /** Takes a place, if there is one for the owner. */
  take(owner: string): boolean {
    if (this.#held.of(owner) >= this.#max - this.#taken) return false;
    this.#held.add(owner);
    this.#taken++;
    return true;
  }

  /** Gives back one that was taken. */
  give(owner: string): void {
    if (this.#held.of(owner) === 0) return;
    this.#taken--;
    this.#held.remove(owner);
  }
}
