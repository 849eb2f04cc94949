/** The rounds of src/bench/measure.ts at the pace of this run. */
import type { Figure } from '../src/bench/figure.ts';
import { FULL, overRounds, type Pace, QUICK, rateOf } from '../src/bench/measure.ts';
import type { BenchRow, BenchSubject } from './row.ts';

export { summary } from '../src/bench/measure.ts';

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
export const pace: Pace = quick ? QUICK : FULL;

/** Calls `run` for several rounds and gives the median rate, in units a second. */
export async function measure({ id, subject, unit, amount, run }: Measured): Promise<BenchRow> {
  return { id, subject, unit, ...(await rateOf(pace, amount, run)) };
}

/** How often a second of CPU time of the whole process `run` is done. @param batch calls between two looks at the clock */
export async function rateOfCpu(run: () => unknown, batch: number): Promise<Figure> {
  return await overRounds(pace, () => {
    const start = process.cpuUsage();
    for (let calls = batch; ; calls += batch) {
      for (let i = 0; i < batch; i++) run();
      const { user, system } = process.cpuUsage(start);
      if (user + system >= 1000 * pace.roundMs) return (calls * 1e6) / (user + system);
    }
  });
}
