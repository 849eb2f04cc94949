/** Rounds of a measurement, their median and spread. */
import { systemEnv } from '../base/env.ts';
import type { Figure } from './figure.ts';

/** How long to measure. */
export interface Pace {
  /** Rounds that count; one before them warms up. */
  readonly rounds: number;
  /** How long a round goes on, at least. */
  readonly roundMs: number;
  /** A question that has taken this long ends after the round that it is in... */
  readonly limitMs: number;
  /** ...if this many count, at least one. */
  readonly leastRounds: number;
}

export const FULL: Pace = { rounds: 7, roundMs: 120, limitMs: 2_500, leastRounds: 3 };
/** To see that everything works, and roughly how fast. */
export const QUICK: Pace = { rounds: 3, roundMs: 20, limitMs: 150, leastRounds: 1 };

export const now = (): number => systemEnv.now();

/** The figures of rounds: `round` does one and gives its figure. */
export async function overRounds(pace: Pace, round: () => number | Promise<number>): Promise<Figure> {
  const figures: number[] = [];
  const start = now();
  do {
    figures.push(await round());
    // A turn of the event loop lets the optimizing compiler install what it has ready.
    await new Promise<void>((resolve) => void systemEnv.setImmediate(resolve));
  } while (
    figures.length <= pace.rounds &&
    (figures.length <= pace.leastRounds || now() - start < pace.limitMs)
  );
  // The first round warms up.
  return summary(figures.slice(1));
}

/** The rate of `run`, in units a second; one call does `amount` units. */
export async function rateOf(pace: Pace, amount: number, run: () => unknown): Promise<Figure> {
  return await overRounds(pace, async () => {
    const start = now();
    let [calls, elapsed] = [0, 0];
    do {
      const result = run();
      if (result instanceof Promise) await result;
      calls++;
      elapsed = now() - start;
    } while (elapsed < pace.roundMs);
    return (calls * amount * 1000) / elapsed;
  });
}

/** Milliseconds that a call of `run` takes. */
export async function millisecondsOf(pace: Pace, run: () => unknown): Promise<Figure> {
  const { value, spread } = await rateOf(pace, 1, run);
  return { value: 1000 / value, spread };
}

export function summary(values: readonly number[]): Figure {
  const sorted = [...values].sort((a, b) => a - b);
  const median = sorted[sorted.length >> 1] ?? 0;
  const [min = 0, max = 0] = [sorted[0], sorted.at(-1)];
  return { value: median, spread: median === 0 ? 0 : (max - min) / median };
}
