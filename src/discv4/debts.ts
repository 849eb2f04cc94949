/** What goes to addresses that have proved nothing: whoever is there may never have asked for it. */

/** Addresses of which it is known what went there, ... */
export const MAX_DEBTORS = 16_384;
/** ... those of one /24 or /48 that is not of a LAN: a /24 has no more, but one host has more ports than there are places. */
export const MAX_SUBNET_DEBTORS = 256;
/** ... and for how long that is not forgotten for the sake of others. */
export const DEBT_LIFETIME_MS = 10 * 60 * 1000;

/** Whoever gets something. */
export interface Debtor {
  /** Of the account. */
  readonly key: string;
  /** The network with which places are shared; `undefined` in a LAN, where there is no limit. */
  readonly network: string | undefined;
}

interface Debt {
  /** Bytes that went there beyond those that came. */
  readonly bytes: number;
  readonly at: number;
  readonly network: string | undefined;
}

/**
 * Accounts, the number of which is bounded. Anybody can fill them, with forged addresses, so that it matters what becomes
 * of a newcomer then. If the oldest account went for its sake, its address would get the allowance once more, and whoever
 * forges one address more than there are places would have it sent to all of them without end. If newcomers got nothing,
 * nobody new would be heard as long as the flood lasts. So a newcomer without an account may get as much as it has just
 * sent: that needs no memory, multiplies nothing, and is enough for the Ping by which it can prove where it is. What is
 * older than ten minutes goes, which gives an address the allowance six times an hour at most.
 */
export class Debts {
  /** The one with the last packet at the end. */
  readonly #debts = new Map<string, Debt>();
  /** The same keys by network. */
  readonly #networks = new Map<string, Set<string>>();

  get size(): number {
    return this.#debts.size;
  }

  /**
   * The bytes that may go to a debtor which has just sent so many: all that it has ever sent and `allowance`, less what
   * it got; where there is no room to remember one more, a new one gets as much as it sent.
   */
  room(debtor: Debtor, received: number, allowance: number, now: number): number {
    const debt = this.#debts.get(debtor.key);
    if (debt === undefined && this.#isFull(debtor, now)) return received;
    return received + allowance - (debt?.bytes ?? 0);
  }

  /** So much came of a debtor, and went there. */
  add(debtor: Debtor, received: number, sent: number, now: number): void {
    const { key, network } = debtor;
    const debt = this.#debts.get(key);
    if (debt === undefined && this.#isFull(debtor, now)) return;
    this.clear(key);
    if (debt === undefined) this.#makeRoom(debtor);
    this.#debts.set(key, { bytes: (debt?.bytes ?? 0) + sent - received, at: now, network });
    if (network === undefined) return;
    const keys = this.#networks.get(network) ?? new Set();
    this.#networks.set(network, keys.add(key));
  }

  /** A debtor has proved where it is. @param key of its account */
  clear(key: string): void {
    const network = this.#debts.get(key)?.network;
    this.#debts.delete(key);
    if (network === undefined) return;
    const keys = this.#networks.get(network);
    keys?.delete(key);
    if (keys?.size === 0) this.#networks.delete(network);
  }

  /** Whether all places are taken, here or in the network, and none by somebody who has been forgotten by now. */
  #isFull({ network }: Debtor, now: number): boolean {
    const keys = this.#keysOf(network);
    if (keys.size >= MAX_SUBNET_DEBTORS && this.#isRecent(first(keys), now)) return true;
    return this.#debts.size >= MAX_DEBTORS && this.#isRecent(first(this.#debts), now);
  }

  #makeRoom({ network }: Debtor): void {
    const keys = this.#keysOf(network);
    const oldest = keys.size >= MAX_SUBNET_DEBTORS ? first(keys) : undefined;
    if (oldest !== undefined) this.clear(oldest);
    const eldest = this.#debts.size >= MAX_DEBTORS ? first(this.#debts) : undefined;
    if (eldest !== undefined) this.clear(eldest);
  }

  #keysOf(network: string | undefined): ReadonlySet<string> {
    return (network === undefined ? undefined : this.#networks.get(network)) ?? NOBODY;
  }

  #isRecent(key: string | undefined, now: number): boolean {
    const debt = key === undefined ? undefined : this.#debts.get(key);
    return debt !== undefined && now - debt.at < DEBT_LIFETIME_MS;
  }
}

const NOBODY: ReadonlySet<string> = new Set();

/** The key that was set first. */
function first(keys: { keys(): MapIterator<string> | SetIterator<string> }): string | undefined {
  return keys.keys().next().value;
}
