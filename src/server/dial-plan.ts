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
  /** When it was last dialed, on the clock of `now`. */
  readonly dialedAt: number | undefined;
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

/** When a node may be dialed again; in the past when it never was. */
export function dueAt({ dialedAt }: DialCandidate): number {
  return (dialedAt ?? Number.NEGATIVE_INFINITY) + REDIAL_INTERVAL_MS;
}

/** Static nodes come first; among equals, the one that has waited longest. */
export function planDials({ now, candidates, busy, pending, maxPending, freeSlots }: DialRound): DialPlan {
  const dial: string[] = [];
  let nextAt = Number.POSITIVE_INFINITY;
  let [room, slots] = [maxPending - pending, freeSlots];
  const order = candidates
    .filter(({ key }) => !busy.has(key))
    .sort((a, b) => Number(b.isStatic) - Number(a.isStatic) || dueAt(a) - dueAt(b));
  for (const candidate of order) {
    const { key, isStatic } = candidate;
    const at = dueAt(candidate);
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
