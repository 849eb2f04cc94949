/** Where the names come from elsewhere, what is beyond the bound is counted under this one. */
export const OTHER = 'other';

/** Counts by name, of a bounded number of names: nobody outside makes it grow. */
export class CounterTable {
  readonly #max: number;
  readonly #counts = new Map<string, number>();

  /** @param max names, `other` not counted */
  constructor(max: number) {
    this.#max = max;
  }

  add(name: string, by = 1): void {
    const known = this.#counts.get(name);
    if (known !== undefined) this.#counts.set(name, known + by);
    else if (this.#counts.size < this.#max) this.#counts.set(name, by);
    else this.#counts.set(OTHER, (this.#counts.get(OTHER) ?? 0) + by);
  }

  get(name: string): number {
    return this.#counts.get(name) ?? 0;
  }

  snapshot(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#counts);
  }
}
