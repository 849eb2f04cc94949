import type { BenchRow, BenchSubject } from './row.ts';

export interface Measured {
  readonly id: string;
  readonly subject: BenchSubject;
  readonly unit: string;
  /** How much of `unit` one call of `run` does. */
  readonly amount: number;
  readonly run: () => void | Promise<void>;
}

/** Shorter rounds, to see that a benchmark works. */
export const quick = process.env.PEERLANE_BENCH_QUICK === '1';
const ROUNDS = quick ? 3 : 7;
const ROUND_MS = quick ? 30 : 300;

/** Calls `run` for several rounds and gives the median rate, in units a second, with (max - min) / median. */
export async function measure({ id, subject, unit, amount, run }: Measured): Promise<BenchRow> {
  const rates: number[] = [];
  for (let round = 0; round <= ROUNDS; round++) {
    const start = performance.now();
    let [calls, elapsed] = [0, 0];
    do {
      const pending = run();
      if (pending !== undefined) await pending;
      calls++;
      elapsed = performance.now() - start;
    } while (elapsed < ROUND_MS);
    // The first round warms up.
    if (round > 0) rates.push((calls * amount * 1000) / elapsed);
  }
  return { id, subject, unit, ...summary(rates) };
}

export function summary(values: readonly number[]): { value: number; spread: number } {
  const sorted = [...values].sort((a, b) => a - b);
  const median = sorted[sorted.length >> 1] ?? 0;
  const [min = 0, max = 0] = [sorted[0], sorted.at(-1)];
  return { value: median, spread: median === 0 ? 0 : (max - min) / median };
}
