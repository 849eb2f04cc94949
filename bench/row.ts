import type { Backend, BenchRow as Row } from '../src/bench/figure.ts';

/** Whose figure it is: one of our backends, the incumbent, go-ethereum, or the npm package that does one thing. */
export type BenchSubject = Backend | 'ethereumjs' | 'go-ethereum' | 'npm';

export type BenchRow = Row<BenchSubject>;
