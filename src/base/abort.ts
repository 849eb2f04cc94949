import { PeerlaneError } from './errors.ts';
import { detached } from './observer.ts';

/** The error for a call whose `signal` was aborted. */
export function abortedError(signal?: AbortSignal): PeerlaneError {
  return new PeerlaneError('aborted', 'the operation was aborted', { cause: signal?.reason });
}

/** @throws PeerlaneError `aborted` */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw abortedError(signal);
}

/**
 * `promise`, or the end of `signal` if that comes first, whether or not the other side heeds it. What becomes of the promise
 * then concerns nobody.
 * @param errorOf what is thrown then
 * @throws PeerlaneError `aborted`, and what `promise` does
 */
export async function orAborted<T>(
  promise: Promise<T>,
  signal: AbortSignal | undefined,
  errorOf: (signal: AbortSignal) => unknown = abortedError,
): Promise<T> {
  if (signal === undefined) return await promise;
  return await new Promise<T>((resolve, reject) => {
    const off = onAbort(signal, () => reject(errorOf(signal)));
    promise.then(resolve, reject).finally(off);
  });
}

interface Wait {
  readonly runs: Set<{ readonly run: () => void }>;
  readonly end: () => void;
}

/** One listener for all who wait for a signal: Node takes more than ten for a leak, and says so. */
const waits = new WeakMap<AbortSignal, Wait>();

/** Calls `run` when `signal` aborts, at once if it has; returns what takes the listener off again. */
export function onAbort(signal: AbortSignal | undefined, run: () => void): () => void {
  if (signal === undefined) return () => undefined;
  if (signal.aborted) {
    run();
    return () => undefined;
  }
  const { runs, end } = waits.get(signal) ?? waitFor(signal);
  // A function may be given twice.
  const entry = { run };
  runs.add(entry);
  return () => {
    if (runs.delete(entry) && runs.size === 0) end();
  };
}

function waitFor(signal: AbortSignal): Wait {
  const runs: Wait['runs'] = new Set();
  const aborted = (): void => {
    // Whoever is taken off by one that runs before does not run.
    for (const entry of runs) {
      runs.delete(entry);
      detached(entry.run)();
    }
    end();
  };
  const end = (): void => {
    waits.delete(signal);
    signal.removeEventListener('abort', aborted);
  };
  signal.addEventListener('abort', aborted);
  const wait = { runs, end };
  waits.set(signal, wait);
  return wait;
}
