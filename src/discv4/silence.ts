/** Addresses that others have named, and where nobody answers: somebody may be there who never asked to be pinged. */
import { setLatest } from '../base/recent.ts';
import type { UdpEndpoint } from './address.ts';
import { accountsOf, type Proofs } from './proofs.ts';

/** Pings without an answer after which an address is left alone, ... */
export const MAX_UNANSWERED = 4;
/** ... and for how long after the last. */
export const SILENCE_MS = 5 * 60 * 1000;
/** Addresses that are remembered. */
export const MAX_SILENT = 4096;

export class Silence {
  readonly #proofs: Proofs;
  /** The one that was pinged last at the end. */
  readonly #silent = new Map<string, { readonly pings: number; readonly at: number }>();

  constructor(proofs: Proofs) {
    this.#proofs = proofs;
  }

  /** Whether a Ping to a node that others have named would be one too many. */
  isKept(endpoint: UdpEndpoint, now: number): boolean {
    const silent = this.#silent.get(this.#proofs.accountOf(endpoint, now));
    return silent !== undefined && silent.pings >= MAX_UNANSWERED && now - silent.at < SILENCE_MS;
  }

  /** So many Pings have had no answer. */
  add(endpoint: UdpEndpoint, pings: number, now: number): void {
    const key = this.#proofs.accountOf(endpoint, now);
    const known = this.#silent.get(key);
    const before = known !== undefined && now - known.at < SILENCE_MS ? known.pings : 0;
    setLatest(this.#silent, key, { pings: before + pings, at: now }, MAX_SILENT);
  }

  /** Somebody has answered there. */
  break(endpoint: UdpEndpoint): void {
    for (const account of accountsOf(endpoint)) this.#silent.delete(account);
  }
}
