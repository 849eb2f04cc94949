/** Whom to dial next: a pure planner, in rounds. */

/** A node is not dialed again within this time. */
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

/** Static nodes come first; among equals, the one that has waited longest. */
export function planDials({ now, candidates, busy, pending, maxPending, freeSlots }: DialRound): DialPlan {
  const dial: string[] = [];
  let nextAt = Number.POSITIVE_INFINITY;
  let [room, slots] = [maxPending - pending, freeSlots];
  const order = candidates
    .filter(({ key }) => !busy.has(key))
    .sort(
      (a, b) =>
        Number(b.isStatic) - Number(a.isStatic) ||
        (a.dialedAt ?? Number.NEGATIVE_INFINITY) - (b.dialedAt ?? Number.NEGATIVE_INFINITY),
    );
  for (const { key, isStatic, dialedAt } of order) {
    const dueAt = dialedAt === undefined ? now : dialedAt + REDIAL_INTERVAL_MS;
    if (dueAt > now) {
      if (isStatic || slots > 0) nextAt = Math.min(nextAt, dueAt);
      continue;
    }
    if (room <= 0 || (!isStatic && slots <= 0)) continue;
    dial.push(key);
    room--;
    if (!isStatic) slots--;
  }
  return { dial, nextAt };
}
