/** What `peerlane bench` and the processes that measure for it tell each other. */
import type { Figure } from '../../bench/figure.ts';

/** On the command line of the process: the pace, and the ids of the questions. */
export type PaceName = 'full' | 'quick';

export type ChildMessage =
  /** First of all: the backend works. */
  | { readonly kind: 'ready'; readonly detail: string }
  /** In place of all others: it does not. */
  | { readonly kind: 'unavailable'; readonly reason: string }
  | { readonly kind: 'figure'; readonly id: string; readonly figure: Figure }
  | { readonly kind: 'failed'; readonly id: string; readonly message: string };
