/** Whose figure it is: one of our backends, the incumbent, go-ethereum, or the npm package that does one thing. */
export type BenchSubject = 'native' | 'js' | 'ethereumjs' | 'go-ethereum' | 'npm';

/** One measured figure. */
export interface BenchRow {
  readonly id: string;
  readonly subject: BenchSubject;
  readonly unit: string;
  /** The median of the rounds. */
  readonly value: number;
  /** (max - min) / median of the rounds. */
  readonly spread: number;
}
