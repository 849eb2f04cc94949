/** A rate in bytes a second. */

/** A bucket holds what comes into it in this time. */
export const BURST_MS = 1_000;
/** Gossip leaves so large a part of a bucket to answers. */
export const GOSSIP_RESERVE: number = 1 / 2;

/** A token bucket. What is spent beyond it is paid back before anybody else may spend. */
export class Bucket {
  readonly #perMs: number;
  readonly #most: number;
  #tokens: number;
  #at: number;

  /** @param rate bytes a second */
  constructor(rate: number, now: number) {
    this.#perMs = rate / 1000;
    this.#most = this.#perMs * BURST_MS;
    this.#tokens = this.#most;
    this.#at = now;
  }

  /** What may be spent, in bytes; negative for a debt. */
  available(now: number): number {
    this.#tokens = Math.min(this.#most, this.#tokens + (now - this.#at) * this.#perMs);
    this.#at = now;
    return this.#tokens;
  }

  /** Milliseconds until there is more than the part that gossip leaves; 0 when there is. */
  ampleMs(now: number): number {
    return this.#untilMs(this.#most * GOSSIP_RESERVE, now);
  }

  /** @param bytes negative: what was spent too much is given back */
  spend(bytes: number, now: number): void {
    this.available(now);
    this.#tokens = Math.min(this.#most, this.#tokens - bytes);
  }

  /** Milliseconds until something may be spent again; 0 when it may. */
  waitMs(now: number): number {
    return this.#untilMs(0, now);
  }

  #untilMs(level: number, now: number): number {
    const available = this.available(now);
    return available > level ? 0 : Math.ceil((level + 1 - available) / this.#perMs);
  }

  /** Milliseconds in which so many bytes come in. */
  timeOf(bytes: number): number {
    return bytes / this.#perMs;
  }
}
