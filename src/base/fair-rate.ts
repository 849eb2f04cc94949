import type { Rate } from './rate-limit.ts';
import { LatestMap } from './recent.ts';
import { mayHaveMore } from './sharing.ts';

/** What has been taken of late. */
interface Taken {
  amount: number;
  at: number;
}

/** After so many times the time in which two thirds of it are forgotten, what was taken counts no more. */
const FORGOTTEN_AFTER = 5;

/**
 * What may be done in all, for each group of owners, where who has taken least comes first: an owner may take more while it has
 * taken less than what is left for its group, and a part of an owner while it has taken less than that can still have.
 *
 * What was taken fades, by as much as `rate` says in the time in which `burst` would be used up. So one owner alone has half of
 * the rate; of those who take without end each has the less the more they are, of ten an eleventh; and as much is left for the
 * next one, who is served as long as it wants less than each of these gets. One part alone has half of what its owner would have. The
 * latest `capacity` owners, parts, and groups, are remembered: whoever is forgotten has taken nothing.
 */
export class FairRate {
  readonly #burst: number;
  /** Milliseconds in which what was taken becomes an e-th of itself. */
  readonly #fadeMs: number;
  readonly #owners: LatestMap<Taken>;
  readonly #parts: LatestMap<Taken>;
  readonly #groups: LatestMap<Taken>;

  constructor({ perSecond, burst }: Rate, capacity: number) {
    this.#burst = burst;
    this.#fadeMs = (burst / perSecond) * 1000;
    this.#owners = new LatestMap(capacity);
    this.#parts = new LatestMap(capacity);
    this.#groups = new LatestMap(capacity);
  }

  /** Owners, and parts of such, that are remembered. */
  get size(): number {
    return this.#owners.size + this.#parts.size;
  }

  /**
   * Whether this owner may take more now.
   * @param now milliseconds
   * @param part of the owner, if it has such: no other owner has one of that name
   */
  hasRoom(owner: string, group: string, now: number, part?: string): boolean {
    const left = this.#burst - this.#left(this.#groups.get(group), now);
    const ofPart = part === undefined ? undefined : this.#left(this.#parts.get(part), now);
    return mayHaveMore(left, this.#left(this.#owners.get(owner), now), ofPart);
  }

  /** It has taken so much, which may be more than there was: what something costs is known when it is done. */
  take(owner: string, group: string, amount: number, now: number, part?: string): void {
    this.#add(this.#owners, owner, amount, now);
    this.#add(this.#groups, group, amount, now);
    if (part !== undefined) this.#add(this.#parts, part, amount, now);
  }

  /** What still counts of it. */
  #left(taken: Taken | undefined, now: number): number {
    return taken === undefined ? 0 : taken.amount * Math.exp((taken.at - now) / this.#fadeMs);
  }

  #add(to: LatestMap<Taken>, key: string, more: number, now: number): void {
    const taken = to.use(key);
    if (taken === undefined) {
      const since = now - FORGOTTEN_AFTER * this.#fadeMs;
      to.forgetWhile(({ at }) => at <= since);
      to.set(key, { amount: more, at: now });
    } else {
      taken.amount = this.#left(taken, now) + more;
      taken.at = now;
    }
  }
}
