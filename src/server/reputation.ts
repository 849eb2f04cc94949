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
  /**
   * What had been before those: the score at that time, and the events that a policy had then in view. For `replayPolicy`; a
   * policy does not get it. Undefined: nothing.
   */
  readonly before?: Omit<ReputationHistory, 'before'> | undefined;
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
export function scoreAt({ score, at }: Pick<ReputationHistory, 'score' | 'at'>, now: number): number {
  return score * 2 ** (-Math.max(0, now - at) / REPUTATION_HALF_LIFE_MS);
}

export function withEvent(history: ReputationHistory, event: ReputationEvent): ReputationHistory {
  const { recent, before } = history;
  const scored = scoredWith(history, event);
  const [first] = recent;
  if (first === undefined || recent.length < MAX_RECENT_EVENTS) {
    return { ...scored, recent: [...recent, event], ...(before && { before }) };
  }
  const earlier = before ?? BLANK_HISTORY;
  return {
    ...scored,
    recent: [...recent.slice(1), event],
    // As many as a policy sees beside the first of `recent`.
    before: {
      ...scoredWith(earlier, first),
      recent: [...earlier.recent.slice(-(MAX_RECENT_EVENTS - 2)), first],
    },
  };
}

function scoredWith(
  history: Pick<ReputationHistory, 'score' | 'at'>,
  { kind, at }: ReputationEvent,
): Pick<ReputationHistory, 'score' | 'at'> {
  return { score: bounded(scoreAt(history, at) + REPUTATION_EVENTS[kind]), at: Math.max(history.at, at) };
}

function bounded(score: number): number {
  return Math.max(MIN_SCORE, Math.min(MAX_SCORE, score));
}

/** The history as if the last `times` events of a kind, which are not long past, had not been. */
export function withoutLast(
  { recent, before = BLANK_HISTORY }: ReputationHistory,
  kind: ReputationEventKind,
  times: number,
): ReputationHistory {
  const left = [...recent];
  let missing = 0;
  for (let i = 0; i < times; i++) {
    const last = left.findLastIndex((event) => event.kind === kind);
    if (last >= 0) left.splice(last, 1);
    else missing++;
  }
  const points = missing * REPUTATION_EVENTS[kind];
  const start = { ...before, score: bounded(before.score - points) };
  const { score, at } = left.reduce<Pick<ReputationHistory, 'score' | 'at'>>(
    (scored, event) => scoredWith(scored, event),
    start,
  );
  return { score, at, recent: left, before: start };
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
    const { score, at, recent } = history;
    // It may do with its own what it likes.
    return { decision: checkedDecision(policy({ score, at, recent: [...recent] })) };
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
 * @param events the events of a node of which nothing was known, or a history as `Server.reputation` gives it, whose `recent`
 * events follow upon what was `before`
 * @throws PeerlaneError `invalid-argument` for what are no events, no history, and no policy
 */
export function replayPolicy(
  events: readonly ReputationEvent[] | ReputationHistory,
  policy: ReputationPolicy = defaultPolicy,
): ReplayedEvent[] {
  checkFunction('policy', policy);
  const replayed = reading('the events', () => checkedRecord(events));
  let { history } = replayed;
  return replayed.events.map((event) => {
    history = withEvent(history, event);
    return { ...event, score: history.score, ...decide(policy, history) };
  });
}

function checkedRecord(record: readonly ReputationEvent[] | ReputationHistory): {
  readonly history: ReputationHistory;
  readonly events: readonly ReputationEvent[];
} {
  const isHistory = isObject(record) && !Array.isArray(record);
  if (!isHistory)
    return { history: BLANK_HISTORY, events: readEach('events', record as never, checkedEvent) };
  const { recent, before = BLANK_HISTORY } = record as ReputationHistory;
  checkObject('before', before);
  const { score, at } = before;
  if (!(typeof score === 'number' && score >= MIN_SCORE && score <= MAX_SCORE)) {
    throw invalidArgument(`the score before the events is not a number from ${MIN_SCORE} to ${MAX_SCORE}`);
  }
  if (!Number.isFinite(at))
    throw invalidArgument('the time before the events is not a number of milliseconds');
  const earlier = readEach('the events before', before.recent, checkedEvent);
  return {
    history: { score, at, recent: earlier.slice(-(MAX_RECENT_EVENTS - 1)) },
    events: readEach('recent', recent, checkedEvent),
  };
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
