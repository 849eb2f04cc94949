/** What can be saved of a damaged LevelDB directory. */
import {
  copyFile,
  mkdir,
  readdir,
  readFile,
  realpath,
  rename,
  rm,
  rmdir,
  stat,
  statfs,
  writeFile,
} from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { ClassicLevel } from 'classic-level';
import { PeerlaneError } from '../base/errors.ts';
import { fileProblem, systemCode } from '../base/file-problem.ts';
import { batchesOf, batchOf } from './level-batch.ts';
import { LEVEL_FILE } from './level-damage.ts';
import { logOf, readLog } from './level-log.ts';
import { isIntactTable, readTable } from './level-table.ts';
import { setAside } from './set-aside.ts';

export interface Repaired {
  /** Where the directory is: the one that was given may be a link to it, which stays. */
  readonly path: string;
  /** Where what was damaged is now: beside it, or in it where it cannot be moved, or others have something there. */
  readonly movedTo: string;
  /** Whether its place has been taken by a database of what could be read in it; else that is free. */
  readonly isRepaired: boolean;
}

/** Why a directory stays where it is: something is mounted there, or nobody may change what is around it. */
const UNMOVABLE: ReadonlySet<unknown> = new Set([
  ...['EBUSY', 'EACCES', 'EPERM', 'EROFS', 'EXDEV', 'ENAMETOOLONG'],
]);

/**
 * Sets a damaged directory aside as it is, and begins a new database in its place with all that can be read in a copy,
 * whether or not a MANIFEST names it. What had been deleted may come back with it. Of a directory that cannot be moved, or has
 * something else in it too, LevelDB's files go into `damaged-TIME` in it.
 *
 * @param at Unix ms
 * @throws PeerlaneError `file-unreadable` when it cannot be set aside, or there is no room for the copy: then it stays
 */
export async function setAsideRepaired(path: string, at: number): Promise<Repaired> {
  const real = await realpath(path).catch(() => path);
  await requireRoom(real);
  try {
    if (await isAlone(real)) return await setAsideWhole(real, at);
  } catch (error) {
    if (!(error instanceof PeerlaneError) || !UNMOVABLE.has(systemCode(error.cause))) throw error;
  }
  try {
    return await setAsideFiles(real, at);
  } catch (error) {
    const message = `cannot set what is in ${real} aside: ${fileProblem(error)}`;
    throw new PeerlaneError('file-unreadable', message, { cause: error });
  }
}

async function setAsideWhole(path: string, at: number): Promise<Repaired> {
  // Whoever comes after a crash finds the damaged directory where it was.
  const copy = `${path.replace(/[/\\]+$/, '')}.repaired-${at}`;
  try {
    const isMade = await isRepairedCopy(path, copy);
    const movedTo = await setAside(path, at);
    return { path, movedTo, isRepaired: isMade && (await isMoved(copy, path)) };
  } finally {
    await remove(copy);
  }
}

/** After a crash in the middle what was there is damaged in its place still, or in `damaged-TIME`. */
async function setAsideFiles(path: string, at: number): Promise<Repaired> {
  const copy = join(path, `repaired-${at}`);
  const movedTo = join(path, `damaged-${at}`);
  try {
    const isMade = await isRepairedCopy(path, copy);
    await mkdir(movedTo);
    await moveFiles(path, movedTo, 'first');
    return { path, movedTo, isRepaired: isMade && (await areMoved(copy, path)) };
  } finally {
    await remove(copy);
  }
}

/** @param current when CURRENT is moved, without which LevelDB takes a directory for none of its own */
async function moveFiles(from: string, to: string, current: 'first' | 'last'): Promise<void> {
  const names = await filesOf(from);
  const others = names.filter((name) => name !== 'CURRENT');
  const own = names.filter((name) => name === 'CURRENT');
  for (const name of current === 'first' ? [...own, ...others] : [...others, ...own]) {
    await rename(join(from, name), join(to, name));
  }
}

async function areMoved(from: string, to: string): Promise<boolean> {
  try {
    await moveFiles(from, to, 'last');
    return true;
  } catch {
    await clear(to);
    return false;
  }
}

/** LevelDB's own files in a directory. */
async function filesOf(path: string): Promise<string[]> {
  const entries = await readdir(path, { withFileTypes: true });
  return entries.filter((entry) => entry.isFile() && LEVEL_FILE.test(entry.name)).map(({ name }) => name);
}

/** Whether a directory has nothing but a database. */
async function isAlone(path: string): Promise<boolean> {
  const [names, own] = await Promise.all([readdir(path), filesOf(path)]);
  return names.length === own.length;
}

/** The copy, and the tables that the repair makes of its logs beside them. */
const ROOM_FACTOR = 2;

/** On a full disk the copy would hold less than what can be read, and LevelDB would not say so. */
async function requireRoom(path: string): Promise<void> {
  let [wanted, free] = [0, Number.POSITIVE_INFINITY];
  try {
    for (const name of await filesOf(path)) wanted += ROOM_FACTOR * (await stat(join(path, name))).size;
    const { bavail, bsize, blocks } = await statfs(path);
    // Some file systems do not say how large they are.
    if (blocks > 0) free = bavail * bsize;
  } catch {
    // What cannot be looked at is found out later.
    return;
  }
  if (wanted <= free) return;
  const message = `${path} is damaged, and there is no room to repair it: that takes ${wanted} bytes, ${free} are free`;
  throw new PeerlaneError('file-unreadable', message);
}

async function remove(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true }).catch(() => undefined);
}

/** Removes the files of a database that is of no use after all; what was set aside in its directory stays. */
export async function clear(path: string): Promise<void> {
  for (const name of await filesOf(path).catch(() => [])) await remove(join(path, name));
}

/** What was damaged is in its place again, as it was. @throws PeerlaneError `file-unreadable` */
export async function putBack({ path, movedTo }: Repaired): Promise<void> {
  try {
    if (dirname(movedTo) === path) {
      await clear(path);
      await moveFiles(movedTo, path, 'last');
      await rmdir(movedTo);
    } else {
      await remove(path);
      await rename(movedTo, path);
    }
  } catch (error) {
    const message = `cannot move ${movedTo} back to ${path}: ${fileProblem(error)}`;
    throw new PeerlaneError('file-unreadable', message, { cause: error });
  }
}

async function isRepairedCopy(from: string, to: string): Promise<boolean> {
  try {
    await mkdir(to);
    for (const name of await filesOf(from)) {
      await copyFile(join(from, name), join(to, name));
      if (/^\d+\.log$/.test(name)) await dropNoBatches(join(to, name));
      else if (/^\d+\.(ldb|sst)$/.test(name)) await dropBrokenBlocks(join(to, name));
    }
    await ClassicLevel.repair(to);
    // What it has used, and what it could not use: the original has that too.
    await remove(join(to, 'lost'));
    return true;
  } catch {
    return false;
  }
}

/** LevelDB's repair looks at no checksum, and ends the process where a record of a log is no batch. */
async function dropNoBatches(path: string): Promise<void> {
  const { records, isBroken } = readLog(await readFile(path));
  const batches = batchesOf(records);
  if (isBroken || batches.length < records.length) await writeFile(path, logOf(batches));
}

/** Makes a log of what is in the other blocks of a table, which takes its place. Tables of what is repaired so are small. */
async function dropBrokenBlocks(path: string): Promise<void> {
  if (await isIntactTable(path, (await stat(path)).size)) return;
  const batches: Uint8Array[] = [];
  for await (const { key, value } of readTable(path)) batches.push(batchOf(key, value));
  await rm(path);
  if (batches.length > 0) await writeFile(path.replace(/\.\w+$/, '.log'), logOf(batches));
}

async function isMoved(from: string, to: string): Promise<boolean> {
  try {
    await rename(from, to);
    return true;
  } catch {
    return false;
  }
}
