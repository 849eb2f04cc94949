/** Something to be done at a time; may be taken back. */
export interface Appointment {
  readonly at: number;
  cancel(): void;
}

interface Entry {
  readonly at: number;
  run: (() => void) | undefined;
}

/** The time of a machine, and what it has to do later; it moves when it is told to. */
export class Agenda {
  /** Milliseconds. */
  now = Number.NEGATIVE_INFINITY;
  /** By time, the next one first. Most are of one length, so that a new one goes to the end. */
  readonly #entries: Entry[] = [];

  /** When something is to be done next; `Infinity` for never. */
  get deadline(): number {
    return this.#next()?.at ?? Number.POSITIVE_INFINITY;
  }

  in(ms: number, run: () => void): Appointment {
    const entry: Entry = { at: this.now + ms, run };
    const { length } = this.#entries;
    let index = length;
    while (index > 0 && (this.#entries[index - 1]?.at ?? 0) > entry.at) index--;
    if (index === length) this.#entries.push(entry);
    else this.#entries.splice(index, 0, entry);
    return {
      at: entry.at,
      cancel: () => {
        entry.run = undefined;
      },
    };
  }

  /** Does what is due, as far as it was at `until`. */
  runDue(until: number): void {
    const end = Math.min(this.now, until);
    for (let next = this.#next(); next !== undefined && next.at <= end; next = this.#next()) {
      this.#entries.shift();
      next.run?.();
    }
  }

  /** Drops what was taken back on the way. */
  #next(): Entry | undefined {
    while (this.#entries[0]?.run === undefined && this.#entries.length > 0) this.#entries.shift();
    return this.#entries[0];
  }
}
