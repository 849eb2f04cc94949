import { type ErrorCode, PeerlaneError } from '../../src/base/errors.ts';

/** The code of the error that `run` throws, `none` when it does not; an error outside the family passes on. */
export function codeOf(run: () => unknown): ErrorCode | 'none' {
  try {
    run();
  } catch (error) {
    if (error instanceof PeerlaneError) return error.code;
    throw error;
  }
  return 'none';
}

/** The same for a promise. */
export async function rejectionOf(promise: Promise<unknown>): Promise<ErrorCode | 'none'> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof PeerlaneError) return error.code;
    throw error;
  }
  return 'none';
}
