/** How late the event loop is, as Node.js measures it. */
import { type IntervalHistogram, monitorEventLoopDelay } from 'node:perf_hooks';

/** Milliseconds between two looks; Node.js counts them to what it measures. */
const RESOLUTION_MS = 20;
const NS_PER_MS = 1e6;
const NS_PER_S = 1e9;

/** In seconds. */
export interface LoopDelay {
  readonly mean: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly max: number;
}

/** The delay of windows: what is old does not hide what is now, and several may ask. */
export class EventLoopDelay {
  readonly #windowMs: number;
  readonly #histogram: IntervalHistogram;
  #since: number;
  #last: LoopDelay | undefined;

  /**
   * Measures from now on; the timer keeps no process alive.
   * @param windowMs how long a window is at least; it ends when somebody asks
   * @param now on the same clock as that of `read`
   */
  constructor(windowMs: number, now: number) {
    this.#windowMs = windowMs;
    this.#since = now;
    this.#histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
    this.#histogram.enable();
  }

  /** Of the window that has ended last, or of the first one, as far as it is. */
  read(now: number): LoopDelay {
    if (now - this.#since >= this.#windowMs) {
      this.#last = delayOf(this.#histogram);
      this.#histogram.reset();
      this.#since = now;
    }
    return this.#last ?? delayOf(this.#histogram);
  }

  close(): void {
    this.#histogram.disable();
  }
}

function delayOf(histogram: IntervalHistogram): LoopDelay {
  return {
    mean: seconds(histogram.mean),
    p50: seconds(histogram.percentile(50)),
    p90: seconds(histogram.percentile(90)),
    p99: seconds(histogram.percentile(99)),
    max: seconds(histogram.max),
  };
}

/** Before anything was measured there are values that are none. */
function seconds(ns: number): number {
  return Number.isFinite(ns) ? Math.max(0, ns - RESOLUTION_MS * NS_PER_MS) / NS_PER_S : 0;
}
