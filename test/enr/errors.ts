import { PeerlaneError } from '../../src/base/errors.ts';

/** The `PeerlaneError` that `run` throws. */
export function errorOf(run: () => unknown): PeerlaneError {
  try {
    run();
  } catch (error) {
    if (error instanceof PeerlaneError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}
