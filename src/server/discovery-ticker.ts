import type { Env, Timer } from '../base/env.ts';

export interface TickedMachine {
  /** When it is to be called, on the clock of `Env.now`; `-Infinity` for at once. */
  readonly deadline: number;
  tick(now: number): void;
}

/** Calls a machine of discovery when it has something to do; what one turn brings is handled together. */
export class DiscoveryTicker {
  readonly #machine: TickedMachine;
  readonly #env: Env;
  #timer: Timer | undefined;
  #at = Number.POSITIVE_INFINITY;
  #isRunning = false;

  constructor(machine: TickedMachine, env: Env) {
    this.#machine = machine;
    this.#env = env;
  }

  start(): void {
    this.#isRunning = true;
    this.schedule();
  }

  /** To be called whenever the deadline may have come nearer. */
  schedule(): void {
    const { deadline } = this.#machine;
    if (!this.#isRunning || deadline >= this.#at) return;
    this.#timer?.cancel();
    this.#at = deadline;
    const isNow = deadline === Number.NEGATIVE_INFINITY;
    const run = () => this.#tick();
    // When this thread was busy, answers wait in the socket: they come first, or they would count as missing.
    const afterPoll = () => {
      this.#timer = this.#env.setImmediate(run);
    };
    this.#timer = isNow
      ? this.#env.setImmediate(run)
      : this.#env.setTimer(Math.ceil(deadline - this.#env.now()), afterPoll);
  }

  stop(): void {
    this.#isRunning = false;
    this.#timer?.cancel();
  }

  #tick(): void {
    this.#at = Number.POSITIVE_INFINITY;
    try {
      this.#machine.tick(this.#env.now());
    } finally {
      // Else one error would be the end of discovery.
      this.schedule();
    }
  }
}
