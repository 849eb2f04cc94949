/** Our own backends; comparisons add subjects of theirs. */
export type Backend = 'native' | 'js';

/** What the rounds of a question gave. */
export interface Figure {
  /** The median of the rounds. */
  readonly value: number;
  /** (max - min) / median of the rounds; 0 after a single one. */
  readonly spread: number;
}

/** One measured figure, and whose it is. */
export interface BenchRow<Subject extends string = Backend> extends Figure {
  readonly id: string;
  readonly subject: Subject;
  readonly unit: string;
}

/** Whether more of `unit` is better: rates are (`MB/s`), amounts of time and memory are not (`ms`). */
export function isRate(unit: string): boolean {
  return unit.endsWith('/s');
}

/** How many times as good as `other` a figure is. */
export function advantage(unit: string, value: number, other: number): number {
  return isRate(unit) ? value / other : other / value;
}
