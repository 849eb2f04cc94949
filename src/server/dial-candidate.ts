/** What a dialer knows of a node. */
import type { Backoff } from './dial-backoff.ts';
import { REDIAL_INTERVAL_MS } from './dial-plan.ts';
import type { DialTarget } from './dial-target.ts';

/** Changed by `Candidates.change` only, which keeps their order. */
export interface Candidate {
  readonly key: string;
  readonly isStatic: boolean;
  /** Found by discovery: forgotten when it is gone, for it to be found again. */
  readonly isFound: boolean;
  readonly target: DialTarget;
  readonly dialedAt: number | undefined;
  readonly backoff: Backoff | undefined;
  /** What `backoff` waits for is the end of a ban of all addresses behind its host name. */
  readonly isHeld: boolean;
  /** When it was last tried it could not be reached. */
  readonly isGone: boolean;
}

export type CandidateChange = Partial<Omit<Candidate, 'key'>>;

/** Of a candidate to which nothing has happened yet. */
export const BLANK = { dialedAt: undefined, backoff: undefined, isHeld: false, isGone: false };

/** Whoever takes a node away does not want it at once. */
export function backoffOfRemoved({ backoff }: Candidate, now: number): Backoff {
  return { until: now + REDIAL_INTERVAL_MS, failures: backoff?.failures ?? 0 };
}

/** When the last dial began is not known: it was at the latest now. */
export function soonAgain(backoff: Backoff | undefined, now: number): Backoff | undefined {
  return backoff && { until: Math.min(backoff.until, now + REDIAL_INTERVAL_MS), failures: 0 };
}

/** When a node may be dialed again by what came of its last dial. A dial by a caller, or a peer that came in, leaves no wait. */
export function readyAt({ dialedAt, backoff }: Candidate): number {
  const again = (dialedAt ?? Number.NEGATIVE_INFINITY) + REDIAL_INTERVAL_MS;
  return Math.max(again, backoff?.until ?? Number.NEGATIVE_INFINITY);
}
