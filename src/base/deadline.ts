/** How long a peer may take, where we ourselves do not read at all times what it sends. */
import type { Env, Timer } from './env.ts';

/** A deadline is put off by so much at most: else a peer that floods us need never answer. */
export const MAX_HELD_MS: number = 2 * 60_000;
/** By so much at least: who is read for moments is not looked at whenever one of them is over. */
const MIN_STEP_MS = 100;

/** A peer, or what stands for it. */
export interface Heard {
  /** Milliseconds, in all, in which nothing was read from it for limits of our own; absent: none. */
  readonly heldMs?: number | undefined;
}

/** It does not come nearer while we do not read. */
export class Deadline {
  readonly #heard: Heard;
  readonly #ms: number;
  readonly #beganAt: number;
  readonly #heldBefore: number;

  /** @param ms from `now` on */
  constructor(heard: Heard, now: number, ms: number) {
    this.#heard = heard;
    this.#ms = ms;
    this.#beganAt = now;
    this.#heldBefore = heard.heldMs ?? 0;
  }

  /** When to look again, in milliseconds; 0 when it has come. */
  left(now: number): number {
    const held = Math.min(MAX_HELD_MS, (this.#heard.heldMs ?? 0) - this.#heldBefore);
    const left = this.#ms + held - (now - this.#beganAt);
    if (left <= 0) return 0;
    return held > 0 ? Math.max(MIN_STEP_MS, left) : left;
  }
}

/** Calls `run` once the deadline has come. */
export function setDeadline(
  env: Pick<Env, 'now' | 'setTimer'>,
  heard: Heard,
  ms: number,
  run: () => void,
): Timer {
  const deadline = new Deadline(heard, env.now(), ms);
  let timer: Timer;
  const wait = (left: number): void => {
    timer = env.setTimer(left, () => {
      const more = deadline.left(env.now());
      if (more > 0) wait(more);
      else run();
    });
  };
  wait(ms);
  return { cancel: () => timer.cancel() };
}
