import { abortedError, onAbort, throwIfAborted } from './abort.ts';
import type { Env } from './env.ts';

/** @throws PeerlaneError `aborted` */
export async function sleep(env: Env, ms: number, signal?: AbortSignal): Promise<void> {
  throwIfAborted(signal);
  await new Promise<void>((resolve, reject) => {
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
