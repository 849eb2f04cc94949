/** What follows from how a node behaves: pure, so that a policy can be tried on what was recorded. */
import {
  checkFunction,
  checkObject,
  invalidArgument,
  isObject,
  readEach,
  reading,
  refuseThenable,
} from '../base/checks.ts';
import { type PeerlaneError, toPeerlaneError } from '../base/errors.ts';
import {
  checkReputationEvent,
  isMajor,
  REPUTATION_EVENTS,
  type ReputationEventKind,
} from '../base/reputation-events.ts';
import { MAX_BAN_MS } from './ban-codec.ts';

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

/** The history as if the last `times` events of a kind, which are not long past, had not been. */
export function withoutLast(
  { score, at, recent }: ReputationHistory,
  kind: ReputationEventKind,
  times: number,
): ReputationHistory {
  const left = [...recent];
  for (let i = 0; i < times; i++) {
    const last = left.findLastIndex((event) => event.kind === kind);
    if (last >= 0) left.splice(last, 1);
  }
  const points = times * REPUTATION_EVENTS[kind];
  return { score: Math.max(MIN_SCORE, Math.min(MAX_SCORE, score - points)), at, recent: left };
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

/** What a policy decides, and what is wrong with that: a node is kept whose policy fails. */
export interface CheckedDecision {
  readonly decision: ReputationDecision;
  /** The policy threw, or decided what there is not. */
  readonly error?: PeerlaneError;
}

export function decide(policy: ReputationPolicy, history: ReputationHistory): CheckedDecision {
  try {
    return { decision: checkedDecision(policy(history)) };
  } catch (error) {
    return { decision: { kind: 'keep' }, error: toPeerlaneError(error) };
  }
}

/** @throws PeerlaneError `invalid-argument` */
function checkedDecision(decision: ReputationDecision): ReputationDecision {
  refuseThenable('the policy', decision);
  return reading('the decision of the policy', () => {
    const { kind } = isObject(decision) ? decision : { kind: undefined };
    if (kind === 'keep') return { kind };
    if (kind !== 'penalise' && kind !== 'disconnect' && kind !== 'ban') {
      throw invalidArgument('the policy decides what there is not: it is keep, penalise, disconnect or ban');
    }
    const { reason } = decision as { readonly reason: unknown };
    if (typeof reason !== 'string') throw invalidArgument('a decision of the policy has no reason');
    if (kind === 'disconnect') return { kind, reason };
    const { forMs } = decision as { readonly forMs: unknown };
    if (!(typeof forMs === 'number' && forMs >= 1 && forMs <= MAX_BAN_MS)) {
      throw invalidArgument(`forMs of a decision must be a number of milliseconds from 1 to ${MAX_BAN_MS}`);
    }
    return { kind, forMs, reason };
  });
}

/** One event of a dry run, and what a server makes of it with the policy. */
export interface ReplayedEvent extends ReputationEvent {
  readonly score: number;
  readonly decision: ReputationDecision;
  /** What the server tells by `policy-failed`: the policy threw, or decided what there is not. */
  readonly error?: PeerlaneError;
}

/**
 * A dry run: what a server would have decided by `policy` after each event of one node, oldest first. Nothing is done.
 * @throws PeerlaneError `invalid-argument` for what are no events, and no policy
 */
export function replayPolicy(
  events: readonly ReputationEvent[],
  policy: ReputationPolicy = defaultPolicy,
): ReplayedEvent[] {
  checkFunction('policy', policy);
  let history = BLANK_HISTORY;
  return reading('the events', () => readEach('events', events, checkedEvent)).map((event) => {
    history = withEvent(history, event);
    return { ...event, score: history.score, ...decide(policy, history) };
  });
}

function checkedEvent(event: ReputationEvent): ReputationEvent {
  checkObject('an event', event);
  const { kind, at } = event;
  checkReputationEvent(kind);
  if (!Number.isFinite(at)) throw invalidArgument('at is not a number of milliseconds');
  return { kind, at };
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
