import type { Env } from '../base/env.ts';
import { sleep } from '../base/sleep.ts';

/** Lets through so many a second; those of one second may come at once. */
export class Pace {
  readonly #env: Env;
  readonly #interval: number;
  readonly #burst: number;
  /** When the next would come if all kept their distance. */
  #next = Number.NEGATIVE_INFINITY;

  constructor(env: Env, perSecond: number) {
    this.#env = env;
    this.#interval = 1_000 / perSecond;
    this.#burst = Math.max(1, Math.floor(perSecond));
  }

  /** @throws PeerlaneError `aborted` */
  async wait(signal?: AbortSignal): Promise<void> {
    const now = this.#env.now();
    const at = Math.max(this.#next, now - (this.#burst - 1) * this.#interval);
    this.#next = at + this.#interval;
    if (at <= now) return;
    try {
      await sleep(this.#env, at - now, signal);
    } catch (error) {
      // Who leaves has used nothing.
      this.#next -= this.#interval;
      throw error;
    }
  }
}
