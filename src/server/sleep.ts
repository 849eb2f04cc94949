import { abortedError, onAbort } from '../base/abort.ts';
import type { Env } from '../base/env.ts';

/** @throws PeerlaneError `aborted` */
export function sleep(env: Env, ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = env.setTimer(ms, () => {
      removeAbort();
      resolve();
    });
    const removeAbort = onAbort(signal, () => {
      timer.cancel();
      reject(abortedError(signal));
    });
  });
}
