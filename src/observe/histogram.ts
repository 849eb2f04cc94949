/** What is measured again and again, counted into buckets that are fixed from the start. */

export interface HistogramSnapshot {
  /** Upper bounds of the buckets, rising; what is above the last is in `count` only. */
  readonly bounds: readonly number[];
  /** How many values were at or below each bound. */
  readonly counts: readonly number[];
  readonly count: number;
  /** Of all values. */
  readonly sum: number;
}

export class Histogram {
  readonly #bounds: readonly number[];
  /** How many fell into each bucket; one more for what is above the last bound. */
  readonly #fell: Float64Array;
  #sum = 0;

  /** @param bounds rising */
  constructor(bounds: readonly number[]) {
    this.#bounds = bounds;
    this.#fell = new Float64Array(bounds.length + 1);
  }

  observe(value: number): void {
    // A clock that is not ours may give anything, and one such value would spoil the sum for ever.
    if (!Number.isFinite(value)) return;
    const bounds = this.#bounds;
    let bucket = 0;
    while (bucket < bounds.length && value > (bounds[bucket] ?? 0)) bucket++;
    this.#fell[bucket] = (this.#fell[bucket] ?? 0) + 1;
    this.#sum += value;
  }

  snapshot(): HistogramSnapshot {
    let count = 0;
    const all = Array.from(this.#fell, (fell) => {
      count += fell;
      return count;
    });
    // A copy, as all of it: whoever changes it changes no other.
    return { bounds: [...this.#bounds], counts: all.slice(0, -1), count, sum: this.#sum };
  }
}

/** The histogram of values that are there now. */
export function histogramOf(bounds: readonly number[], values: Iterable<number>): HistogramSnapshot {
  const histogram = new Histogram(bounds);
  for (const value of values) histogram.observe(value);
  return histogram.snapshot();
}

/** Seconds of what goes over a network: a millisecond to the longest time that anything is waited for. */
export const SECONDS: readonly number[] = [
  ...[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5],
  ...[1, 2.5, 5, 10, 30],
];
/** Streams that are worked side by side. */
export const LANE_COUNTS: readonly number[] = [1, 2, 4, 8, 16, 32, 64, 128];
/** Reputations: 0 is a peer of whom nothing is known. */
export const REPUTATIONS: readonly number[] = [-100, -50, -20, -10, -1, 0, 1, 10, 20, 50, 100];
