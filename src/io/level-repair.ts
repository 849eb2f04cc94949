/** What can be saved of a damaged LevelDB directory. */
import { cp, readdir, readFile, rename, rm, stat, statfs, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { ClassicLevel } from 'classic-level';
import { PeerlaneError } from '../base/errors.ts';
import { fileProblem } from '../base/file-problem.ts';
import { batchesOf, batchOf } from './level-batch.ts';
import { logOf, readLog } from './level-log.ts';
import { isIntactTable, readTable } from './level-table.ts';
import { setAside } from './set-aside.ts';

export interface Repaired {
  /** Where the damaged directory is now. */
  readonly movedTo: string;
  /** Whether its place has been taken by a database of what could be read in it; else that is free. */
  readonly isRepaired: boolean;
}

/**
 * Sets a damaged directory aside as it is, and begins a new database in its place with all that can be read in a copy,
 * whether or not a MANIFEST names it. What had been deleted may come back with it.
 *
 * @param at Unix ms
 * @throws PeerlaneError `file-unreadable` when it cannot be set aside, or there is no room for the copy: then it stays
 */
export async function setAsideRepaired(path: string, at: number): Promise<Repaired> {
  // Whoever comes after a crash finds the damaged directory where it was.
  const copy = `${path.replace(/[/\\]+$/, '')}.repaired-${at}`;
  await requireRoom(path);
  try {
    const isMade = await isRepairedCopy(path, copy);
    const movedTo = await setAside(path, at);
    return { movedTo, isRepaired: isMade && (await isMoved(copy, path)) };
  } finally {
    await remove(copy);
  }
}

/** The copy, and the tables that the repair makes of its logs beside them. */
const ROOM_FACTOR = 2;

/** On a full disk the copy would hold less than what can be read, and LevelDB would not say so. */
async function requireRoom(path: string): Promise<void> {
  let [wanted, free] = [0, Number.POSITIVE_INFINITY];
  try {
    for (const name of await readdir(path)) wanted += ROOM_FACTOR * (await stat(join(path, name))).size;
    const { bavail, bsize, blocks } = await statfs(dirname(path));
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

/** Removes what has been begun with a repaired copy, which is of no use after all. */
export async function remove(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true }).catch(() => undefined);
}

/** The damaged directory is in its place again, as it was. @throws PeerlaneError `file-unreadable` */
export async function putBack(movedTo: string, path: string): Promise<void> {
  await remove(path);
  try {
    await rename(movedTo, path);
  } catch (error) {
    const message = `cannot move ${movedTo} back to ${path}: ${fileProblem(error)}`;
    throw new PeerlaneError('file-unreadable', message, { cause: error });
  }
}

async function isRepairedCopy(from: string, to: string): Promise<boolean> {
  try {
    await cp(from, to, { recursive: true });
    for (const name of await readdir(to)) {
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
