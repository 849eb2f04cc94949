import { onAbort } from '../base/abort.ts';
import type { PeerlaneError } from '../base/errors.ts';
import type { Context } from './command.ts';

/** What `within` hands to its work. */
export interface Work {
  /** Aborted by Ctrl-C, at the end of the time, and by `fail`. */
  readonly signal: AbortSignal;
  /** Ends the work with an error that arises beside it. */
  fail(error: PeerlaneError): void;
}

/** Runs `run`, for so many milliseconds at most if a number is given; then it throws `late`. Other errors are those of `run`. */
export async function within<T>(
  { env, signal }: Pick<Context, 'env' | 'signal'>,
  ms: number | undefined,
  late: PeerlaneError,
  run: (work: Work) => Promise<T>,
): Promise<T> {
  const abort = new AbortController();
  const fail = (error: PeerlaneError): void => abort.abort(error);
  const timer = ms === undefined ? undefined : env.setTimer(ms, () => fail(late));
  const removeListener = onAbort(signal, () => abort.abort(signal.reason));
  try {
    return await run({ signal: abort.signal, fail });
  } catch (error) {
    throw abort.signal.aborted && !signal.aborted ? abort.signal.reason : error;
  } finally {
    removeListener();
    timer?.cancel();
  }
}
