/**
 * How many runs a property gets: as many as the suite has time for, times `PEERLANE_FUZZ_FACTOR`. With
 * `PEERLANE_FUZZ_SEED` all begin with that seed; without it fast-check takes one by chance, and prints it when a run fails.
 */
import fc from 'fast-check';

export const FUZZ_FACTOR = positive('PEERLANE_FUZZ_FACTOR') ?? 1;
const DEFAULT_RUNS = 100;
const seed = positive('PEERLANE_FUZZ_SEED');
fc.configureGlobal({ numRuns: runs(DEFAULT_RUNS), ...(seed === undefined ? {} : { seed }) });

export function runs(count: number): number {
  return Math.ceil(count * FUZZ_FACTOR);
}

function positive(name: string): number | undefined {
  const text = process.env[name];
  if (text === undefined || text === '') return undefined;
  const value = Number(text);
  if (value > 0 && Number.isFinite(value)) return value;
  throw new Error(`${name} is a number above zero, not ${text}`);
}
