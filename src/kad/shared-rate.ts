import { FairRate } from '../base/fair-rate.ts';
import type { Rate } from '../base/rate-limit.ts';
import type { Origin } from './origin.ts';

const ALL = '';

/** What may be done for all in all, which networks share: of IPv6 a /32 with others, and its /48 among themselves. */
export class SharedRate {
  readonly #rate: FairRate;

  constructor(rate: Rate, capacity: number) {
    this.#rate = new FairRate(rate, capacity);
  }

  /** Networks that are remembered. */
  get size(): number {
    return this.#rate.size;
  }

  /** Whether there is more for it now. @param now milliseconds */
  hasRoom({ sharer, part }: Origin, now: number): boolean {
    return this.#rate.hasRoom(sharer, ALL, now, part);
  }

  /** So much has been done for it. */
  take({ sharer, part }: Origin, amount: number, now: number): void {
    this.#rate.take(sharer, ALL, amount, now, part);
  }
}
