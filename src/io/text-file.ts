/** Text files that are read with a bound and replaced as a whole. */
import type { BigIntStats, Stats } from 'node:fs';
import {
  access,
  constants,
  type FileHandle,
  open,
  readdir,
  realpath,
  rename,
  rm,
  stat,
} from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { onAbort, throwIfAborted } from '../base/abort.ts';
import { isPeerlaneError, PeerlaneError } from '../base/errors.ts';
import { fileProblem } from '../base/file-problem.ts';

let temporaryFiles = 0;

/** Of a file's mode: who may read, write and run it. */
const PERMISSIONS = 0o777;
/** No write takes so long: an older file beside another is of a process that was killed. */
const LEFT_OVER_MS = 60 * 60_000;
/** Read at a time. */
const CHUNK_LENGTH = 1024 * 1024;

/**
 * @param what the file in messages: `the node set`
 * @throws PeerlaneError `file-unreadable`, also when it has more than `maxBytes`; `aborted`
 */
export async function readTextFile(
  path: string,
  what: string,
  maxBytes: number,
  signal?: AbortSignal,
): Promise<string> {
  const name = `${what} ${path}`;
  try {
    const file = await open(path, 'r');
    try {
      const { size } = await file.stat();
      if (size > maxBytes) throw tooLarge(name, maxBytes);
      // What has no size, as a pipe, may have more.
      const stream = file.createReadStream({ autoClose: false, highWaterMark: CHUNK_LENGTH });
      return await textOf(stream, name, maxBytes, signal);
    } finally {
      await file.close();
    }
  } catch (error) {
    if (isPeerlaneError(error)) throw error;
    throw failed('read', name, fileProblem(error), error);
  }
}

/** What the standard input gives until its end. @throws PeerlaneError as `readTextFile` */
export async function readStandardInput(maxBytes: number, signal?: AbortSignal): Promise<string> {
  return await textOf(process.stdin, 'the standard input', maxBytes, signal);
}

async function textOf(
  stream: Readable,
  name: string,
  maxBytes: number,
  signal: AbortSignal | undefined,
): Promise<string> {
  const removeAbort = onAbort(signal, () => stream.destroy());
  try {
    const chunks: Buffer[] = [];
    let length = 0;
    for await (const chunk of stream) {
      length += chunk.length;
      if (length > maxBytes) throw tooLarge(name, maxBytes);
      chunks.push(chunk);
    }
    throwIfAborted(signal);
    return Buffer.concat(chunks).toString('utf8');
  } catch (error) {
    throwIfAborted(signal);
    if (isPeerlaneError(error)) throw error;
    throw failed('read', name, fileProblem(error), error);
  } finally {
    removeAbort();
  }
}

/**
 * Writes a file beside `path` and renames it to that: whoever reads, and whoever comes after a crash, finds either the
 * old text or the new one. It keeps the permissions of the old file, which has to be one that may be written.
 *
 * @param what the file in messages: `the node set`
 * @returns its mark, as `markOf` gives it until the file is changed
 * @throws PeerlaneError `file-unreadable`
 */
export async function replaceTextFile(path: string, what: string, text: string): Promise<string> {
  return await besideIt(path, what, async (file, temporary, target) => {
    await file.writeFile(text);
    // Else the new name could outlive a loss of power, and the text not.
    await file.sync();
    const mark = formatMark(await file.stat({ bigint: true }));
    await rename(temporary, target);
    return mark;
  });
}

/** Tells a file from what it has been changed to, or replaced by; undefined when there is none that can be looked at. */
export async function markOf(path: string): Promise<string | undefined> {
  try {
    return formatMark(await stat(path, { bigint: true }));
  } catch {
    return undefined;
  }
}

function formatMark({ ino, size, mtimeNs }: BigIntStats): string {
  return `${ino}-${size}-${mtimeNs}`;
}

/**
 * Looks whether `replaceTextFile` can do its work, and leaves everything as it is: what takes long says so before.
 * @throws PeerlaneError `file-unreadable`
 */
export async function requireReplaceable(path: string, what: string): Promise<void> {
  await besideIt(path, what, (_, temporary) => rm(temporary));
}

/** Runs `use` with a new file beside `path`, which is gone when it fails. */
async function besideIt<T>(
  path: string,
  what: string,
  use: (file: FileHandle, temporary: string, target: string) => Promise<T>,
): Promise<T> {
  const old = await stat(path).catch(() => undefined);
  const problem = await problemOf(path, old);
  if (problem !== undefined) throw failed('write', `${what} ${path}`, problem);
  const target = await targetOf(path);
  await removeLeftOvers(target);
  const temporary = join(dirname(target), `${prefixOf(target)}${process.pid}-${temporaryFiles++}.tmp`);
  try {
    // Nobody reads the new text who may not read the old one, not even before it has the name.
    const mode = old === undefined ? undefined : old.mode & PERMISSIONS;
    const file = await open(temporary, 'w', mode);
    try {
      // What the mask of the process took away.
      if (mode !== undefined) await file.chmod(mode);
      return await use(file, temporary, target);
    } finally {
      await file.close();
    }
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw failed('write', `${what} ${path}`, writeProblem(error), error);
  }
}

/** Of the names of the files beside `path` that are to replace it. */
function prefixOf(path: string): string {
  return `.${basename(path)}.`;
}

async function removeLeftOvers(path: string): Promise<void> {
  const [directory, prefix] = [dirname(path), prefixOf(path)];
  // What cannot be looked at is in nobody's way.
  const names = await readdir(directory).catch(() => []);
  for (const name of names) {
    if (!name.startsWith(prefix) || !/^\d+-\d+\.tmp$/.test(name.slice(prefix.length))) continue;
    const leftOver = join(directory, name);
    const there = await stat(leftOver).catch(() => undefined);
    if (there === undefined || Date.now() - there.mtimeMs < LEFT_OVER_MS) continue;
    await rm(leftOver, { force: true }).catch(() => undefined);
  }
}

/** What stands in the way; a device or a pipe would be replaced, not written to. */
async function problemOf(path: string, there: Stats | undefined): Promise<string | undefined> {
  if (/(?:^|[/\\])$/.test(path)) return 'it names no file';
  if (there === undefined) return undefined;
  if (!there.isFile()) return there.isDirectory() ? 'it is a directory' : 'it is not a regular file';
  try {
    // To rename over it takes no permission of its own.
    await access(path, constants.W_OK);
    return undefined;
  } catch (error) {
    return fileProblem(error);
  }
}

function writeProblem(error: unknown): string {
  const isMissing = error instanceof Error && 'code' in error && error.code === 'ENOENT';
  return isMissing ? 'its directory does not exist' : fileProblem(error);
}

/** The file behind a link, which stays one. */
async function targetOf(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch {
    return path;
  }
}

function tooLarge(name: string, maxBytes: number): PeerlaneError {
  return failed('read', name, `it is larger than ${maxBytes} bytes`);
}

function failed(verb: string, name: string, problem: string, cause?: unknown): PeerlaneError {
  return new PeerlaneError('file-unreadable', `cannot ${verb} ${name}: ${problem}`, { cause });
}
