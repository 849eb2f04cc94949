/** When nodes that were found may be dialed again. */
import { setLatest } from '../base/recent.ts';
import { REDIAL_INTERVAL_MS } from './dial-plan.ts';

/** Nodes that are remembered: more than can be dialed within `REDIAL_INTERVAL_MS`. */
export const MAX_DIAL_HISTORY = 4096;
/** A node that fails again and again is left alone for twice as long each time, up to this. */
export const MAX_DIAL_BACKOFF_MS: number = 60 * 60_000;

interface Dialed {
  readonly until: number;
  readonly failures: number;
}

export class DialHistory {
  /** By the key of the node, the one that was dialed last at the end. */
  readonly #dialed = new Map<string, Dialed>();

  get size(): number {
    return this.#dialed.size;
  }

  /** Whether the node may be dialed. */
  isOpen(key: string, now: number): boolean {
    return (this.#dialed.get(key)?.until ?? Number.NEGATIVE_INFINITY) <= now;
  }

  /** A dial that began at `dialedAt` came to nothing, or to a peer that soon left. */
  failed(key: string, dialedAt: number): void {
    const failures = (this.#dialed.get(key)?.failures ?? 0) + 1;
    const ms = Math.min(MAX_DIAL_BACKOFF_MS, REDIAL_INTERVAL_MS * 2 ** (failures - 1));
    this.#put(key, { until: dialedAt + ms, failures });
  }

  /** The dial that began at `dialedAt` led to a peer that stayed. */
  succeeded(key: string, dialedAt: number): void {
    this.#put(key, { until: dialedAt + REDIAL_INTERVAL_MS, failures: 0 });
  }

  #put(key: string, dialed: Dialed): void {
    setLatest(this.#dialed, key, dialed, MAX_DIAL_HISTORY);
  }
}
