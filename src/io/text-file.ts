/** Text files that are read with a bound and replaced as a whole. */
import { open, realpath, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { isPeerlaneError, PeerlaneError } from '../base/errors.ts';
import { fileProblem } from '../base/file-problem.ts';

let temporaryFiles = 0;

/**
 * @param what the file in messages: `the node set`
 * @throws PeerlaneError `file-unreadable`, also when it has more than `maxBytes`
 */
export async function readTextFile(path: string, what: string, maxBytes: number): Promise<string> {
  try {
    const file = await open(path, 'r');
    try {
      const { size } = await file.stat();
      if (size > maxBytes) throw failed('read', what, path, `it is larger than ${maxBytes} bytes`);
      return await file.readFile('utf8');
    } finally {
      await file.close();
    }
  } catch (error) {
    if (isPeerlaneError(error)) throw error;
    throw failed('read', what, path, fileProblem(error), error);
  }
}

/**
 * Writes a file beside `path` and renames it to that: whoever reads, and whoever comes after a crash, finds either the
 * old text or the new one.
 *
 * @param what the file in messages: `the node set`
 * @throws PeerlaneError `file-unreadable`
 */
export async function replaceTextFile(path: string, what: string, text: string): Promise<void> {
  const target = await targetOf(path);
  const name = `.${basename(target)}.${process.pid}-${temporaryFiles++}.tmp`;
  const temporary = join(dirname(target), name);
  try {
    const file = await open(temporary, 'w');
    try {
      await file.writeFile(text);
      // Else the new name could outlive a loss of power, and the text not.
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, target);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw failed('write', what, path, fileProblem(error), error);
  }
}

/** The file behind a link, which stays one. */
async function targetOf(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch {
    return path;
  }
}

function failed(verb: string, what: string, path: string, problem: string, cause?: unknown): PeerlaneError {
  return new PeerlaneError('file-unreadable', `cannot ${verb} ${what} ${path}: ${problem}`, { cause });
}
