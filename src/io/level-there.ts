import { readdir } from 'node:fs/promises';
import { PeerlaneError } from '../base/errors.ts';
import { fileProblem } from '../base/file-problem.ts';

/** What LevelDB keeps in its directory. */
const LEVEL_FILE = /^(?:CURRENT|MANIFEST-\d+|\d+\.(?:ldb|sst|log))$/;

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
  if (!names.some((name) => LEVEL_FILE.test(name))) throw missing('the directory holds none');
}
