/**
 * The one place where time and randomness enter. Everything else takes an `Env`, so that a test can put a
 * virtual clock and a seeded generator in its place.
 */
import { randomFillSync } from 'node:crypto';
import { PeerlaneError } from './errors.ts';

/** A timer that has been set; `cancel` may be called at any time, any number of times. */
export interface Timer {
  cancel(): void;
}

export interface Env {
  /** Milliseconds on a clock that never goes back; only differences mean anything. */
  now(): number;
  /** Milliseconds since the Unix epoch. */
  unixTime(): number;
  /** Calls `run` once after `ms` milliseconds, at most `MAX_TIMER_MS`. */
  setTimer(ms: number, run: () => void): Timer;
  /** Calls `run` in the next turn of the event loop, after the I/O events of this one. */
  setImmediate(run: () => void): Timer;
  /** Fresh random bytes, fit for keys. */
  randomBytes(length: number): Uint8Array;
}

/** Some 24 days: a timer of Node.js that is longer would be over at once. */
export const MAX_TIMER_MS: number = 2 ** 31 - 1;

/** Small draws come from a pool: the system's generator takes longer for a call than for its bytes. */
const POOL_LENGTH = 16 * 1024;
/** What the system's generator gives at once. */
const MAX_LENGTH = 2 ** 31 - 1;
const LARGEST_POOLED = 1024;
const pool = new Uint8Array(POOL_LENGTH);
let drawn = POOL_LENGTH;

/** What has been handed out is overwritten, so that nothing but its owner knows it. */
function randomBytes(length: number): Uint8Array {
  if (!Number.isInteger(length) || length < 0 || length > MAX_LENGTH) {
    throw new PeerlaneError(
      'invalid-argument',
      `the number of random bytes is not one from 0 to ${MAX_LENGTH}`,
    );
  }
  if (length > LARGEST_POOLED) return randomFillSync(new Uint8Array(length));
  if (drawn + length > POOL_LENGTH) {
    randomFillSync(pool);
    drawn = 0;
  }
  const bytes = pool.slice(drawn, drawn + length);
  pool.fill(0, drawn, drawn + length);
  drawn += length;
  return bytes;
}

/** Whether `value` has the functions of an `Env`. */
export function isEnv(value: unknown): value is Env {
  if (typeof value !== 'object' || value === null) return false;
  return Object.keys(systemEnv).every((name) => typeof Reflect.get(value, name) === 'function');
}

class SystemTimer implements Timer {
  readonly #handle: NodeJS.Timeout;

  constructor(handle: NodeJS.Timeout) {
    this.#handle = handle;
  }

  cancel(): void {
    clearTimeout(this.#handle);
  }
}

export const systemEnv: Env = {
  now: () => performance.now(),
  unixTime: () => Date.now(),
  setTimer: (ms, run) => new SystemTimer(setTimeout(run, Math.min(ms, MAX_TIMER_MS))),
  setImmediate(run) {
    const handle = setImmediate(run);
    return { cancel: () => clearImmediate(handle) };
  },
  randomBytes,
};
