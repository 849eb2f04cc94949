import { isPeerlaneError, PeerlaneError } from '../base/errors.ts';
import { type Genesis, parseGenesis } from '../eth/index.ts';
import { readTextFile } from '../io/text-file.ts';

/** Far more than any network's allocations take; a larger file is something else. */
const MAX_LENGTH = 256 * 1024 * 1024;

/**
 * The genesis in a file of go-ethereum's format.
 * @throws PeerlaneError `file-unreadable`, `genesis-invalid`
 */
export async function readGenesisFile(path: string): Promise<Genesis> {
  const text = await readTextFile(path, 'the genesis file', MAX_LENGTH);
  try {
    return parseGenesis(text);
  } catch (error) {
    if (!isPeerlaneError(error, 'genesis-invalid')) throw error;
    const { message, details } = error;
    throw new PeerlaneError('genesis-invalid', `${path} is no genesis file: ${message}`, {
      cause: error,
      details,
    });
  }
}
