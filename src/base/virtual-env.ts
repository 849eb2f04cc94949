import type { Env, Timer } from './env.ts';
import { TimerHeap } from './timer-heap.ts';

/**
 * A clock that moves only when told to, and random bytes that follow from a seed: what a simulation or a test
 * runs on. Never use it for keys that guard anything.
 */
export class VirtualEnv implements Env {
  #now: number;
  #state: number;
  readonly #timers = new TimerHeap();

  constructor({ now = 0, seed = 1 }: { now?: number; seed?: number } = {}) {
    this.#now = now;
    this.#state = seed >>> 0;
  }

  now(): number {
    return this.#now;
  }

  unixTime(): number {
    return this.#now;
  }

  setTimer(ms: number, run: () => void): Timer {
    return this.#timers.add(this.#now + Math.max(0, ms), run);
  }

  setImmediate(run: () => void): Timer {
    return this.setTimer(0, run);
  }

  randomBytes(length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    for (let i = 0; i < length; i++) {
      // mulberry32
      this.#state = (this.#state + 0x6d2b79f5) >>> 0;
      let t = this.#state;
      t = Math.imul(t ^ (t >>> 15), t | 1);
      t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
      bytes[i] = (t ^ (t >>> 14)) >>> 24;
    }
    return bytes;
  }

  /** Number of timers that are set. */
  get timers(): number {
    return this.#timers.size;
  }

  /** Moves the clock on by `ms`, running what falls due in order. */
  advance(ms: number): void {
    const end = this.#now + ms;
    for (let next = this.#timers.take(end); next !== undefined; next = this.#timers.take(end)) {
      this.#now = next.at;
      next.run();
    }
    this.#now = end;
  }
}
