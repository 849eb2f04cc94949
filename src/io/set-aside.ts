import { rename, stat } from 'node:fs/promises';
import { PeerlaneError } from '../base/errors.ts';
import { fileProblem } from '../base/file-problem.ts';

/** Names that are tried for what is set aside; more in the same millisecond is no accident. */
const MAX_NAMES = 100;

/**
 * Renames a damaged file or directory to `PATH.damaged-TIME`, beside where it was: nothing of it is lost.
 *
 * @param at Unix ms
 * @returns the new path
 * @throws PeerlaneError `file-unreadable`
 */
export async function setAside(path: string, at: number): Promise<string> {
  const base = `${path.replace(/[/\\]+$/, '')}.damaged-${at}`;
  for (let i = 1; i <= MAX_NAMES; i++) {
    const name = i === 1 ? base : `${base}-${i}`;
    if (await exists(name)) continue;
    try {
      await rename(path, name);
      return name;
    } catch (error) {
      throw failed(path, fileProblem(error), error);
    }
  }
  throw failed(path, `${MAX_NAMES} names beginning with ${base} are taken`);
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch {
    return false;
  }
}

function failed(path: string, problem: string, cause?: unknown): PeerlaneError {
  return new PeerlaneError('file-unreadable', `cannot set ${path} aside: ${problem}`, { cause });
}
