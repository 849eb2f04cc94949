/** What came of the dials of a time. */
import type { ErrorCode, PeerlaneError } from '../base/errors.ts';
import { DISCONNECT_REASONS } from '../p2p/index.ts';
import type { DialCounts } from './diagnosis-facts.ts';
import type { DialOutcome } from './dial-backoff.ts';
import { RecentCounts } from './recent-counts.ts';

/**
 * What a node that is not dialed counts as: its record says that it is of no use, by discovery v5, where nodes of all kinds are, or
 * otherwise; or it is where nobody is dialed, or in a network that has its part of the slots.
 */
export type LeftOut = 'foreign' | 'passed-over' | 'restricted' | 'crowded';

/** By its name; a peer may give any number. */
function reasonOf(reason: unknown): string {
  const name = String(reason);
  return Object.hasOwn(DISCONNECT_REASONS, name) ? name : 'another reason';
}

export class DialTally {
  readonly #outcomes: RecentCounts<DialOutcome>;
  readonly #codes: RecentCounts<ErrorCode>;
  readonly #left: RecentCounts<LeftOut>;
  readonly #reasons: RecentCounts<string>;

  /** @param windowMs a dial counts for this time at least, and for twice as long at most */
  constructor(windowMs: number) {
    this.#outcomes = new RecentCounts(windowMs);
    this.#codes = new RecentCounts(windowMs);
    this.#left = new RecentCounts(windowMs);
    this.#reasons = new RecentCounts(windowMs);
  }

  dialed(outcome: DialOutcome, { code, details }: PeerlaneError, now: number): void {
    this.#outcomes.add(outcome, now);
    this.#codes.add(code, now);
    const isTold = code === 'remote-disconnect' && (outcome === 'useless' || outcome === 'left');
    if (isTold) this.#reasons.add(reasonOf(details.reason), now);
  }

  left(why: LeftOut, now: number): void {
    this.#left.add(why, now);
  }

  clear(): void {
    for (const counts of [this.#outcomes, this.#codes, this.#left, this.#reasons]) counts.clear();
  }

  counts(now: number): DialCounts {
    const left = this.#left.counts(now);
    return {
      outcomes: this.#outcomes.counts(now),
      codes: this.#codes.counts(now),
      reasons: this.#reasons.counts(now),
      passedOver: left.get('passed-over') ?? 0,
      foreign: left.get('foreign') ?? 0,
      restricted: left.get('restricted') ?? 0,
      crowded: left.get('crowded') ?? 0,
    };
  }
}
