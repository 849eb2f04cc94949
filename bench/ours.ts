/** The questions of `peerlane bench`, which the package has itself. */
import { QUESTIONS } from '../src/bench/questions.ts';
import { backend } from '../src/crypto/index.ts';
import { pace } from './measure.ts';
import type { BenchRow } from './row.ts';

/** Answers the questions of a group of src/bench/questions.ts. */
export async function ours(group: string): Promise<BenchRow[]> {
  const rows: BenchRow[] = [];
  for (const { id, unit, ask } of QUESTIONS[group] ?? []) {
    rows.push({ id, subject: backend.name, unit, ...(await ask(pace)) });
  }
  return rows;
}
