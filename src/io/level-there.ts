import { readdir } from 'node:fs/promises';
import { PeerlaneError } from '../base/errors.ts';
import { fileProblem } from '../base/file-problem.ts';
import { DATA_FILE, HEAD_FILE } from './level-damage.ts';

/**
 * For who would not have a database made where there is none, as opening it does.
 * @param what as in `LevelOptions`, without its article
 * @throws PeerlaneError `file-unreadable`
 */
export async function requireLevel(path: string, what: string): Promise<void> {
  const missing = (why: string, cause?: unknown) =>
    new PeerlaneError('file-unreadable', `there is no ${what} at ${path}: ${why}`, { cause });
  let names: readonly string[];
  try {
    names = await readdir(path);
  } catch (error) {
    throw missing(fileProblem(error), error);
  }
  const isThere = names.some((name) => HEAD_FILE.test(name) || DATA_FILE.test(name));
  if (!isThere) throw missing('the directory holds none');
}
