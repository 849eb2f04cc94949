import type { Env } from '../base/env.ts';

/** Calls `run` every `ms`; returns what ends it. */
export function repeated(env: Env, ms: number, run: () => void): () => void {
  const again = (): void => {
    run();
    timer = env.setTimer(ms, again);
  };
  let timer = env.setTimer(ms, again);
  return () => timer.cancel();
}
