import type { PeerlaneError } from '../../base/errors.ts';

/** What a node database tells an observer. */
export type NodeDatabaseEvent =
  /**
   * A warning: the database at `path` was damaged. It stands at `movedTo` now, and a new one has begun with the
   * nodes that could be read of it.
   */
  | {
      readonly kind: 'node-database-set-aside';
      readonly path: string;
      readonly movedTo: string;
      readonly error: PeerlaneError;
    }
  /** So many nodes whose values were damaged were found at the start, and dropped. */
  | { readonly kind: 'node-database-values-dropped'; readonly count: number }
  /** A read or a write failed. What was to be written stays in memory and is tried again. */
  | { readonly kind: 'node-database-failed'; readonly error: PeerlaneError };
