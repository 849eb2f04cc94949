import { open } from 'node:fs/promises';
import { isPeerlaneError, PeerlaneError } from '../base/errors.ts';
import { fileProblem } from '../base/file-problem.ts';
import { type Genesis, parseGenesis } from '../eth/index.ts';

/** Far more than any network's allocations take; a larger file is something else. */
const MAX_LENGTH = 256 * 1024 * 1024;

/**
 * The genesis in a file of go-ethereum's format.
 * @throws PeerlaneError `file-unreadable`, `genesis-invalid`
 */
export async function readGenesisFile(path: string): Promise<Genesis> {
  const text = await readText(path);
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

async function readText(path: string): Promise<string> {
  const unreadable = (problem: string, cause?: unknown): PeerlaneError =>
    new PeerlaneError('file-unreadable', `cannot read the genesis file ${path}: ${problem}`, { cause });
  try {
    const file = await open(path, 'r');
    try {
      if ((await file.stat()).size > MAX_LENGTH) throw unreadable('it is too large');
      return await file.readFile('utf8');
    } finally {
      await file.close();
    }
  } catch (error) {
    if (isPeerlaneError(error)) throw error;
    throw unreadable(fileProblem(error), error);
  }
}
