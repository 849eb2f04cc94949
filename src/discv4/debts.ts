/** What goes to addresses that have proved nothing: whoever is there may never have asked for it. */
import { setLatest } from '../base/recent.ts';

/** Addresses of which it is known what went there, ... */
export const MAX_DEBTORS = 16_384;
/** ... and for how long that is not forgotten for the sake of others. */
export const DEBT_LIFETIME_MS = 10 * 60 * 1000;

interface Debt {
  /** Bytes that went there beyond those that came. */
  readonly bytes: number;
  readonly at: number;
}

export class Debts {
  /** The one with the last packet at the end. */
  readonly #debts = new Map<string, Debt>();

  get size(): number {
    return this.#debts.size;
  }

  /**
   * The bytes that may go to a debtor which has just sent so many: all that it has ever sent and `allowance`, less what
   * it got. Where there is no room to remember one more, a new one gets as much as it sent, or `least`.
   */
  room(
    debtor: string,
    received: number,
    { allowance, least }: { allowance: number; least: number },
    now: number,
  ): number {
    const debt = this.#debts.get(debtor);
    if (debt === undefined && this.#isFull(now)) return Math.max(received, least);
    return received + allowance - (debt?.bytes ?? 0);
  }

  /** So much came of a debtor, and went there. */
  add(debtor: string, received: number, sent: number, now: number): void {
    const debt = this.#debts.get(debtor);
    if (debt === undefined && this.#isFull(now)) return;
    setLatest(this.#debts, debtor, { bytes: (debt?.bytes ?? 0) + sent - received, at: now }, MAX_DEBTORS);
  }

  /** A debtor has proved where it is. */
  clear(debtor: string): void {
    this.#debts.delete(debtor);
  }

  #isFull(now: number): boolean {
    if (this.#debts.size < MAX_DEBTORS) return false;
    for (const { at } of this.#debts.values()) return now - at < DEBT_LIFETIME_MS;
    return false;
  }
}
