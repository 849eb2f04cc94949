import { type ErrorCode, PeerlaneError } from '../../src/base/errors.ts';

/** The code of the error that `run` throws, or `none`; errors that are not of the family go on. */
export function codeOf(run: () => unknown): ErrorCode | 'none' {
  try {
    run();
  } catch (error) {
    if (error instanceof PeerlaneError) return error.code;
    throw error;
  }
  return 'none';
}
