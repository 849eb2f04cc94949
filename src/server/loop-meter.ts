import { type Env, systemEnv } from '../base/env.ts';
import { EventLoopDelay } from '../io/event-loop-delay.ts';
import type { EventLoopMetrics } from '../observe/index.ts';

/** The event loop's delay is that of so much time at least. */
export const LOOP_WINDOW_MS = 10_000;

/** Measures the delay of the event loop from the first time on that somebody asks for it. */
export class LoopMeter implements Disposable {
  readonly #env: Env;
  #delay: EventLoopDelay | undefined;
  #isClosed = false;

  constructor(env: Env) {
    this.#env = env;
  }

  /** Undefined where the clock is not the system's, whose delay says nothing then, and after the end. */
  read(): EventLoopMetrics | undefined {
    if (this.#env !== systemEnv || this.#isClosed) return undefined;
    const now = this.#env.now();
    this.#delay ??= new EventLoopDelay(LOOP_WINDOW_MS, now);
    return this.#delay.read(now);
  }

  [Symbol.dispose](): void {
    this.#isClosed = true;
    this.#delay?.close();
  }
}
