import { PeerlaneError } from './errors.ts';

/** The error for a call whose `signal` was aborted. */
export function abortedError(signal?: AbortSignal): PeerlaneError {
  return new PeerlaneError('aborted', 'the operation was aborted', { cause: signal?.reason });
}

/** @throws PeerlaneError `aborted` */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw abortedError(signal);
}

/** Calls `run` when `signal` aborts, at once if it has; returns what takes the listener off again. */
export function onAbort(signal: AbortSignal | undefined, run: () => void): () => void {
  if (signal === undefined) return () => undefined;
  if (signal.aborted) {
    run();
    return () => undefined;
  }
  signal.addEventListener('abort', run, { once: true });
  return () => signal.removeEventListener('abort', run);
}
