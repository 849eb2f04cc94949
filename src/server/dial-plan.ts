/** Whom to dial next: a pure planner, in rounds. */

/**
 * A node is not dialed again within this time, counted from the start of the dial. go-ethereum turns away an address
 * that comes again within 30 s; the rest is for clocks and the network to differ.
 */
export const REDIAL_INTERVAL_MS = 35_000;

export interface DialCandidate {
  /** Key of the node, as in `DialRound.busy`. */
  readonly key: string;
  /** Kept connected whatever the limits. */
  readonly isStatic: boolean;
  /** It is not dialed before, on the clock of `now`; in the past when it never was. */
  readonly dueAt: number;
}

export interface DialRound {
  readonly now: number;
  readonly candidates: readonly DialCandidate[];
  /** Keys of nodes that are connected, or being dialed. */
  readonly busy: ReadonlySet<string>;
  /** Dials in progress. */
  readonly pending: number;
  readonly maxPending: number;
  /** Slots left for peers that are dialed and not static. */
  readonly freeSlots: number;
}

export interface DialPlan {
  readonly dial: readonly string[];
  /** When the next round may bring a dial without anything else happening; infinite when never. */
  readonly nextAt: number;
}

/** Static nodes come first; among equals, the one that has waited longest. */
export function planDials({ now, candidates, busy, pending, maxPending, freeSlots }: DialRound): DialPlan {
  const dial: string[] = [];
  let nextAt = Number.POSITIVE_INFINITY;
  let [room, slots] = [maxPending - pending, freeSlots];
  const order = candidates
    .filter(({ key }) => !busy.has(key))
    .sort((a, b) => Number(b.isStatic) - Number(a.isStatic) || compare(a.dueAt, b.dueAt));
  for (const candidate of order) {
    const { key, isStatic, dueAt: at } = candidate;
    if (at > now) {
      if (isStatic || slots > 0) nextAt = Math.min(nextAt, at);
      continue;
    }
    if (room <= 0 || (!isStatic && slots <= 0)) continue;
    dial.push(key);
    room--;
    if (!isStatic) slots--;
  }
  return { dial, nextAt };
}

/** Two that were never dialed are equal; their difference would be none. */
function compare(a: number, b: number): number {
  return a === b ? 0 : a - b;
}
