/** How a node has behaved: what of it is worth keeping, and for how long. Pure; all times are Unix ms. */
import type { ErrorCode } from '../../base/errors.ts';

const HOUR_MS = 60 * 60 * 1000;
const DAY_MS = 24 * HOUR_MS;

/** A node that has never answered is forgotten so long after it was first heard of, however often others name it. */
export const UNPROVEN_EXPIRY_MS: number = DAY_MS;
/** One that has answered, so long after its last answer: whoever was away for a weekend finds peers again. */
export const PROVEN_EXPIRY_MS: number = 7 * DAY_MS;
/** A time further ahead than this was written by a clock that was wrong, and counts for nothing. */
export const CLOCK_TOLERANCE_MS: number = DAY_MS;

/** When nodes have to go, one that has answered counts as if it had been heard so much later. */
const PROVEN_BONUS_MS = PROVEN_EXPIRY_MS;
/** What has been there for long will be there for longer (Kademlia, section 2.1); nothing is added beyond this. */
const LONGEST_AGE_BONUS_MS = DAY_MS;
/** Each failure in a row makes a node count as if it had been heard so much earlier. */
const FAILURE_COST_MS = DAY_MS;

/** Most that are counted. */
export const MAX_FAILURES = 0xffff;

/** The part of a node that is kept in memory; 0: never. */
export interface NodeHistory {
  firstSeen: number;
  lastSeen: number;
  lastPong: number;
  lastAnswer: number;
  failures: number;
  dialedAt: number;
  /** Empty when the dial succeeded. */
  dialError: ErrorCode | '';
}

/** What may change in it. */
export interface HistoryPatch {
  readonly lastPong?: number | undefined;
  readonly failed?: boolean | undefined;
  readonly dial?: { readonly at: number; readonly error?: ErrorCode | undefined } | undefined;
}

export function newHistory(now: number): NodeHistory {
  return {
    firstSeen: now,
    lastSeen: now,
    lastPong: 0,
    lastAnswer: 0,
    failures: 0,
    dialedAt: 0,
    dialError: '',
  };
}

/** Changes `history` in place. @param heard whether the patch holds other news of the node */
export function applyToHistory(
  history: NodeHistory,
  { lastPong = 0, failed = false, dial }: HistoryPatch,
  now: number,
  heard: boolean,
): void {
  const succeeded = dial !== undefined && dial.error === undefined;
  if (dial !== undefined) {
    history.dialedAt = dial.at;
    history.dialError = dial.error ?? '';
  }
  history.lastPong = later(history.lastPong, lastPong, now);
  const answer = Math.max(lastPong, succeeded ? dial.at : 0);
  if (answer > 0) {
    history.lastAnswer = later(history.lastAnswer, answer, now);
    if (isImpossible(history.firstSeen, now)) history.firstSeen = now;
    history.failures = 0;
  }
  if (failed) history.failures = Math.min(MAX_FAILURES, history.failures + 1);
  if (heard || answer > 0) history.lastSeen = now;
}

/** The later of two times, of which the known one may be from a clock that was wrong: then it gives way to any. */
function later(known: number, time: number, now: number): number {
  return time > 0 && isImpossible(known, now) ? time : Math.max(known, time);
}

function isImpossible(time: number, now: number): boolean {
  return time > now + CLOCK_TOLERANCE_MS;
}

export function isExpired({ firstSeen, lastAnswer }: NodeHistory, now: number): boolean {
  const [since, limit] = lastAnswer > 0 ? [lastAnswer, PROVEN_EXPIRY_MS] : [firstSeen, UNPROVEN_EXPIRY_MS];
  return since < now - limit || isImpossible(since, now);
}

/** Of two nodes the one with the larger figure is kept. */
export function usefulness(history: NodeHistory, now: number): number {
  const { firstSeen, lastSeen, lastAnswer, failures } = history;
  if (isExpired(history, now)) return Number.NEGATIVE_INFINITY;
  const cost = failures * FAILURE_COST_MS;
  if (lastAnswer === 0) return Math.min(lastSeen, now) - cost;
  const age = Math.max(0, lastAnswer - firstSeen);
  return Math.min(lastAnswer, now) + PROVEN_BONUS_MS + Math.min(age, LONGEST_AGE_BONUS_MS) - cost;
}
