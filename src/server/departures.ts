import { setLatest } from '../base/recent.ts';

/** Peers that a network has lost are given up within so long, each when its own patience ends. */
export const DEPARTURE_WINDOW_MS = 60_000;
/** Nodes that are remembered; more than are connected at a time. */
const MAX_DEPARTURES = 1024;

interface Departure {
  readonly at: number;
  /** How often it was held against the node within the window. */
  readonly counted: number;
}

/**
 * Connections that ended as they do when a network fails. Where more than half of all nodes go like that within a minute, or
 * the last one does, the network was probably our own, and says nothing of them.
 */
export class Departures {
  readonly #gone = new Map<string, Departure>();

  /**
   * A connection has ended.
   * @param others nodes that are connected still
   * @returns nodes against which something was held in vain, and how often; undefined when this one counts
   */
  note(key: string, now: number, others: number): ReadonlyMap<string, number> | undefined {
    for (const [each, { at }] of this.#gone) {
      if (now - at < DEPARTURE_WINDOW_MS) break;
      this.#gone.delete(each);
    }
    const before = this.#gone.get(key)?.counted ?? 0;
    setLatest(this.#gone, key, { at: now, counted: before }, MAX_DEPARTURES);
    if (this.#gone.size <= others) {
      this.#gone.set(key, { at: now, counted: before + 1 });
      return undefined;
    }
    const inVain = new Map<string, number>();
    for (const [each, { at, counted }] of this.#gone) {
      if (counted > 0) inVain.set(each, counted);
      this.#gone.set(each, { at, counted: 0 });
    }
    return inVain;
  }
}
