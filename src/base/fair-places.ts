/**
 * Places that are shared by many: nobody gets one more who holds as many as are free. Whoever is alone has half of them, and what is
 * given back when nearly all are taken is for those who hold none.
 */
export class FairPlaces {
  readonly #max: number;
  readonly #held = new Map<string, number>();
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
    const held = this.#held.get(owner) ?? 0;
    if (held >= this.#max - this.#taken) return false;
    this.#held.set(owner, held + 1);
    this.#taken++;
    return true;
  }

  /** Gives back one that was taken. */
  give(owner: string): void {
    const held = this.#held.get(owner);
    if (held === undefined) return;
    this.#taken--;
    if (held > 1) this.#held.set(owner, held - 1);
    else this.#held.delete(owner);
  }
}
