import { LatestMap, setLatest } from '../base/recent.ts';

/** Peers that a network has lost are given up within so long, each when its own patience ends. */
export const DEPARTURE_WINDOW_MS = 60_000;
/** Nodes that are remembered; more than are connected at a time. */
const MAX_DEPARTURES = 1024;

/** What was held against a node: how often within the window, and when last. */
interface Blame {
  readonly at: number;
  readonly counted: number;
}

/**
 * Connections that ended as they do when a network fails. Where more than half of all nodes go like that within a minute, or
 * the last one does, the network was probably our own, and says nothing of them.
 */
export class Departures {
  /** When the nodes went, the latest last. */
  readonly #gone = new LatestMap<number>(MAX_DEPARTURES);
  readonly #blamed = new Map<string, Blame>();

  /**
   * A connection has ended.
   * @param others nodes that are connected still
   * @returns nodes against which something was held in vain, and how often; undefined when this one counts
   */
  note(key: string, now: number, others: number): ReadonlyMap<string, number> | undefined {
    this.#gone.forgetWhile((at) => now - at >= DEPARTURE_WINDOW_MS);
    this.#gone.set(key, now);
    if (this.#gone.size > others) return this.#takeBack(now);
    const before = this.#blamed.get(key);
    const counted = before === undefined || isOver(before, now) ? 0 : before.counted;
    setLatest(this.#blamed, key, { at: now, counted: counted + 1 }, MAX_DEPARTURES);
    return undefined;
  }

  #takeBack(now: number): ReadonlyMap<string, number> {
    const inVain = new Map<string, number>();
    for (const [key, blame] of this.#blamed) if (!isOver(blame, now)) inVain.set(key, blame.counted);
    this.#blamed.clear();
    return inVain;
  }
}

const isOver = ({ at }: Blame, now: number) => now - at >= DEPARTURE_WINDOW_MS;
