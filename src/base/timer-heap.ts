import type { Timer } from './env.ts';

/** Below this, cancelled timers are not worth looking for. */
const LEAST_SWEPT = 64;

export interface DueTimer extends Timer {
  readonly at: number;
  run: (() => void) | undefined;
}

class Entry implements DueTimer {
  readonly at: number;
  readonly order: number;
  run: (() => void) | undefined;
  readonly #heap: TimerHeap;

  constructor(heap: TimerHeap, at: number, order: number, run: () => void) {
    this.#heap = heap;
    this.at = at;
    this.order = order;
    this.run = run;
  }

  cancel(): void {
    if (this.run === undefined) return;
    this.run = undefined;
    this.#heap.cancelled();
  }

  isBefore(other: Entry): boolean {
    return this.at < other.at || (this.at === other.at && this.order < other.order);
  }
}

/** Timers by their time, those of the same time in the order in which they were set: a binary heap. */
export class TimerHeap {
  #entries: Entry[] = [];
  #order = 0;
  /** Entries that have been cancelled, and are dropped when they come up, or when they are the most. */
  #cancelled = 0;

  /** Number of timers that are set. */
  get size(): number {
    return this.#entries.length - this.#cancelled;
  }

  /** Places that are taken: at most about twice as many as timers are set. */
  get capacity(): number {
    return this.#entries.length;
  }

  add(at: number, run: () => void): DueTimer {
    const entry = new Entry(this, at, this.#order++, run);
    this.#entries.push(entry);
    this.#rise(this.#entries.length - 1, entry);
    return entry;
  }

  /** When the next timer is due; `Infinity` if none is set. */
  get deadline(): number {
    this.#dropCancelled();
    return this.#entries[0]?.at ?? Number.POSITIVE_INFINITY;
  }

  /** Takes the next timer out, if its time is not after `end`. */
  take(end: number): { readonly at: number; readonly run: () => void } | undefined {
    this.#dropCancelled();
    const first = this.#entries[0];
    if (first?.run === undefined || first.at > end) return undefined;
    const { at, run } = first;
    this.#removeFirst();
    // Whoever cancels it from now on is too late.
    first.run = undefined;
    return { at, run };
  }

  /** Those that have come up. */
  #dropCancelled(): void {
    for (let first = this.#entries[0]; first !== undefined; first = this.#entries[0]) {
      if (first.run !== undefined) return;
      this.#removeFirst();
      this.#cancelled--;
    }
  }

  /** For the entries: one of them has been cancelled. */
  cancelled(): void {
    this.#cancelled++;
    if (this.#entries.length < LEAST_SWEPT || 2 * this.#cancelled <= this.#entries.length) return;
    this.#entries = this.#entries.filter(({ run }) => run !== undefined);
    this.#cancelled = 0;
    for (let i = (this.#entries.length >> 1) - 1; i >= 0; i--) {
      const entry = this.#entries[i];
      if (entry !== undefined) this.#sink(i, entry);
    }
  }

  #removeFirst(): void {
    const last = this.#entries.pop();
    if (last !== undefined && this.#entries.length > 0) this.#sink(0, last);
  }

  /** Puts `entry` at `index` or, as far as it is due earlier, nearer to the top. */
  #rise(index: number, entry: Entry): void {
    let at = index;
    while (at > 0) {
      const up = (at - 1) >> 1;
      const parent = this.#entries[up];
      if (parent === undefined || !entry.isBefore(parent)) break;
      this.#entries[at] = parent;
      at = up;
    }
    this.#entries[at] = entry;
  }

  /** Puts `entry` at `index` or, as far as it is due later, farther from the top. */
  #sink(index: number, entry: Entry): void {
    let at = index;
    for (;;) {
      let down = 2 * at + 1;
      let child = this.#entries[down];
      const other = this.#entries[down + 1];
      if (child !== undefined && other?.isBefore(child)) {
        child = other;
        down++;
      }
      if (child === undefined || !child.isBefore(entry)) break;
      this.#entries[at] = child;
      at = down;
    }
    this.#entries[at] = entry;
  }
}
