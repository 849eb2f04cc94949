/** Changes that wait to be written: of a node at most one, so that they are bounded by the nodes there are. */
import { type FactsChange, mergedFacts } from './node-patch.ts';

export interface Change {
  /** What the disk holds of the node does not count: it is new, or gone. */
  readonly fresh: boolean;
  readonly facts: FactsChange | undefined;
}

export const GONE: Change = { fresh: true, facts: undefined };
/** Only the history has changed. */
export const TOUCHED: Change = { fresh: false, facts: undefined };

export function composed(older: Change | undefined, newer: Change): Change {
  if (older === undefined || newer.fresh) return newer;
  if (newer.facts === undefined) return older;
  return { fresh: older.fresh, facts: mergedFacts(older.facts, newer.facts) };
}
