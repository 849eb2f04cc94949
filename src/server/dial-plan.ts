/** Whom to dial next: a pure planner, in rounds. */

/**
 * A node is not dialed again within this time, counted from the start of the dial. go-ethereum turns away an address
 * that comes again within 30 s; the rest is for clocks and the network to differ.
 */
export const REDIAL_INTERVAL_MS = 35_000;

/** Of so many dials one at least is for nodes that are not static, while such wait: also when nobody answers for many static ones. */
export const OTHERS_TURN = 4;

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
  /** Of those of one kind and one time the first goes first; whom there is no room for may be left out. */
  readonly candidates: readonly DialCandidate[];
  /** Keys of nodes that are connected, or being dialed. */
  readonly busy: Pick<ReadonlySet<string>, 'has'>;
  /** Dials in progress. */
  readonly pending: number;
  readonly maxPending: number;
  /** Slots left for peers that are dialed and not static. */
  readonly freeSlots: number;
  /** Dials that were planned before, by which the kinds of nodes take turns. */
  readonly planned: number;
}

export interface DialPlan {
  readonly dial: readonly string[];
  /** When the next round may bring a dial without anything else happening; infinite when never. */
  readonly nextAt: number;
}

/** Static nodes come first, but for the turns of others; among equals, the one that has waited longest. */
export function planDials(round: DialRound): DialPlan {
  const { now, candidates, busy, pending, maxPending, freeSlots, planned } = round;
  const free = candidates.filter(({ key }) => !busy.has(key)).sort((a, b) => compare(a.dueAt, b.dueAt));
  const due = free.filter(({ dueAt }) => dueAt <= now);
  const kept = due.filter(({ isStatic }) => isStatic);
  const others = due.filter(({ isStatic }) => !isStatic).slice(0, Math.max(0, freeSlots));
  const dial: string[] = [];
  let [keptDialed, othersDialed] = [0, 0];
  while (dial.length < maxPending - pending) {
    const [one, other] = [kept[keptDialed], others[othersDialed]];
    const isOthersTurn = (planned + dial.length) % OTHERS_TURN === OTHERS_TURN - 1;
    const next = isOthersTurn ? (other ?? one) : (one ?? other);
    if (next === undefined) break;
    dial.push(next.key);
    if (next === one) keptDialed++;
    else othersDialed++;
  }
  const hasSlots = freeSlots > othersDialed;
  const next = free.find(({ dueAt, isStatic }) => dueAt > now && (isStatic || hasSlots));
  return { dial, nextAt: next?.dueAt ?? Number.POSITIVE_INFINITY };
}

/** Two that were never dialed are equal; their difference would be none. */
function compare(a: number, b: number): number {
  return a === b ? 0 : a - b;
}
