import type { Env, Timer } from '../base/env.ts';

/** How far a stage is. */
export interface ProgressReport {
  readonly stage: string;
  readonly done: number;
  readonly total: number;
  /** Items a second over the last seconds; `undefined` until it can be told. */
  readonly rate: number | undefined;
  /** `undefined` while the rate is unknown or zero. */
  readonly secondsLeft: number | undefined;
}

/** The rate is taken over this time, so that it follows a slow peer but not every answer. */
const WINDOW_MS = 5_000;
/** Samples closer than this are merged: what is kept is bounded by the window. */
const SAMPLE_MS = 100;

/**
 * Turns frequent updates of one stage into reports that are at least `intervalMs` apart. The last state always
 * comes out: after the interval, or with `finish`.
 */
export class ProgressMeter {
  readonly #stage: string;
  readonly #env: Env;
  readonly #intervalMs: number;
  readonly #report: (report: ProgressReport) => void;
  readonly #samples: { at: number; done: number }[] = [];
  #done = 0;
  #total = 0;
  #timer: Timer | undefined;
  #reportedAt = Number.NEGATIVE_INFINITY;
  #dirty = false;

  constructor(stage: string, env: Env, intervalMs: number, report: (report: ProgressReport) => void) {
    this.#stage = stage;
    this.#env = env;
    this.#intervalMs = intervalMs;
    this.#report = report;
  }

  update(done: number, total: number): void {
    if (done === this.#done && total === this.#total && this.#samples.length > 0) return;
    this.#done = done;
    this.#total = total;
    this.#dirty = true;
    this.#sample();
    const wait = this.#reportedAt + this.#intervalMs - this.#env.now();
    if (wait <= 0) this.#emit();
    else this.#timer ??= this.#env.setTimer(wait, () => this.#emit());
  }

  /** Reports the last state if that has not been done, and sets no timer any more. */
  finish(): void {
    if (this.#dirty) this.#emit();
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #sample(): void {
    const at = this.#env.now();
    const previous = this.#samples.at(-2);
    const last = this.#samples.at(-1);
    // The newest sample moves on until it is old enough to stay; the first one stays where it is.
    if (last !== undefined && previous !== undefined && last.at - previous.at < SAMPLE_MS)
      this.#samples.pop();
    this.#samples.push({ at, done: this.#done });
    while (this.#samples.length > 2 && at - (this.#samples[1]?.at ?? at) > WINDOW_MS) this.#samples.shift();
  }

  #emit(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#dirty = false;
    this.#reportedAt = this.#env.now();
    const rate = this.#rate();
    const left = this.#total - this.#done;
    const secondsLeft = left <= 0 ? 0 : rate === undefined || rate <= 0 ? undefined : left / rate;
    this.#report({ stage: this.#stage, done: this.#done, total: this.#total, rate, secondsLeft });
  }

  #rate(): number | undefined {
    const [first] = this.#samples;
    if (first === undefined) return undefined;
    const seconds = (this.#env.now() - first.at) / 1000;
    const items = this.#done - first.done;
    // Nothing yet is no rate of zero, until it has lasted.
    return seconds > 0 && (items > 0 || seconds > 1) ? items / seconds : undefined;
  }
}
