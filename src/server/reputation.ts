/** What follows from how a node behaves: pure, so that a policy can be tried on what was recorded. */
import { isMajor, REPUTATION_EVENTS, type ReputationEventKind } from '../base/reputation-events.ts';

/** After this time half of a score is forgotten. */
export const REPUTATION_HALF_LIFE_MS: number = 30 * 60_000;
/** Good answers save up no more than this: less than one breach takes away. */
export const MAX_SCORE = 30;
export const MIN_SCORE = -200;
/** From here on a node is not dialed for a while, and is among the first to make room. */
export const PENALTY_SCORE = -20;
/** From here on it is disconnected. */
export const DISCONNECT_SCORE = -60;
/** From here on it is banned, if one of its last events was more than a slip. */
export const BAN_SCORE = -100;
export const PENALTY_MS: number = 10 * 60_000;
export const BAN_MS: number = 60 * 60_000;
/** Events of a node that are remembered one by one; older ones are in its score only. */
export const MAX_RECENT_EVENTS = 16;

export interface ReputationEvent {
  readonly kind: ReputationEventKind;
  /** Milliseconds on a clock that never goes back (`Env.now`). */
  readonly at: number;
}

/** How a node has behaved. */
export interface ReputationHistory {
  /** `MIN_SCORE` to `MAX_SCORE`, as it was at `at`; 0 for a node of which nothing is known. */
  readonly score: number;
  /** When the last event was; milliseconds on the clock of the events. */
  readonly at: number;
  /** The last `MAX_RECENT_EVENTS`, oldest first. */
  readonly recent: readonly ReputationEvent[];
}

/** What is to be done about a node; times are milliseconds from now on. */
export type ReputationDecision =
  | { readonly kind: 'keep' }
  /** It stays, is not dialed for `forMs`, and is among the first to make room. */
  | { readonly kind: 'penalise'; readonly forMs: number; readonly reason: string }
  | { readonly kind: 'disconnect'; readonly reason: string }
  | { readonly kind: 'ban'; readonly forMs: number; readonly reason: string };

/** Asked after each event; must be quick. */
export type ReputationPolicy = (history: ReputationHistory) => ReputationDecision;

export const BLANK_HISTORY: ReputationHistory = { score: 0, at: 0, recent: [] };

/** The score as it is at `now`: nearer to 0 the longer nothing has happened. */
export function scoreAt({ score, at }: ReputationHistory, now: number): number {
  return score * 2 ** (-Math.max(0, now - at) / REPUTATION_HALF_LIFE_MS);
}

export function withEvent(history: ReputationHistory, event: ReputationEvent): ReputationHistory {
  const score = scoreAt(history, event.at) + REPUTATION_EVENTS[event.kind];
  return {
    score: Math.max(MIN_SCORE, Math.min(MAX_SCORE, score)),
    at: Math.max(history.at, event.at),
    recent: [...history.recent.slice(-(MAX_RECENT_EVENTS - 1)), event],
  };
}

/** The rules that hold unless the user has others. */
export function defaultPolicy({ score, recent }: ReputationHistory): ReputationDecision {
  if (score > PENALTY_SCORE) return { kind: 'keep' };
  const reason = reasonOf(recent);
  if (score <= BAN_SCORE && recent.some(({ kind }) => isMajor(kind))) {
    return { kind: 'ban', forMs: BAN_MS, reason };
  }
  if (score <= DISCONNECT_SCORE) return { kind: 'disconnect', reason };
  return { kind: 'penalise', forMs: PENALTY_MS, reason };
}

/** `3 breach, 1 timeout`: what was bad of late, the most frequent first. */
function reasonOf(recent: readonly ReputationEvent[]): string {
  const counts = new Map<ReputationEventKind, number>();
  for (const { kind } of recent) {
    if (REPUTATION_EVENTS[kind] < 0) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  }
  const sorted = [...counts].sort(([, a], [, b]) => b - a);
  return sorted.map(([kind, count]) => `${count} ${kind}`).join(', ');
}

/** One event of a dry run, and what the policy makes of it. */
export interface ReplayedEvent extends ReputationEvent {
  readonly score: number;
  readonly decision: ReputationDecision;
}

/** A dry run: what `policy` would have decided after each event of one node, oldest first. Nothing is done. */
export function replayPolicy(
  events: readonly ReputationEvent[],
  policy: ReputationPolicy = defaultPolicy,
): ReplayedEvent[] {
  let history = BLANK_HISTORY;
  return events.map((event) => {
    history = withEvent(history, event);
    return { ...event, score: history.score, decision: policy(history) };
  });
}

/** For how long a peer that was dropped or banned counts for `isOursToBlame`. */
export const DROPPED_WINDOW_MS: number = 10 * 60_000;

/**
 * Whether more than half of all peers would be dropped with one more: of the `others` that are connected, those that were
 * dropped or banned within `DROPPED_WINDOW_MS`, and the one in question. When so many behave badly at once, the fault is
 * probably ours (our network, our clock, our rules), and we had better keep them.
 */
export function isOursToBlame(others: number, dropped: number): boolean {
  return 2 * (dropped + 1) > others + dropped + 1;
}

/** The decision, with mercy where we may be to blame. */
export function sparing(decision: ReputationDecision, others: number, dropped: number): ReputationDecision {
  if (decision.kind !== 'ban' && decision.kind !== 'disconnect') return decision;
  if (!isOursToBlame(others, dropped)) return decision;
  return { kind: 'penalise', forMs: PENALTY_MS, reason: decision.reason };
}
