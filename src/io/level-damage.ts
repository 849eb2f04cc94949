/** Damage of a LevelDB directory that LevelDB itself passes over in silence. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { batchesOf } from './level-batch.ts';
import { readLog } from './level-log.ts';
import { readManifest } from './level-manifest.ts';
import { isIntactTable } from './level-table.ts';

/** What LevelDB calls its files; those of other programs may end in `.log` too. */
export const DATA_FILE = /^\d{6,}\.(?:ldb|sst|log)$/;
/** By these LevelDB knows the others. */
export const HEAD_FILE = /^(?:CURRENT|MANIFEST-\d{6,})$/;
export const LEVEL_FILE = /^(?:\d{6,}\.(?:ldb|sst|log|dbtmp)|MANIFEST-\d{6,}|CURRENT|LOCK|LOG|LOG\.old)$/;
const LOG = /^(\d+)\.log$/;

/**
 * What of a directory that nobody has open is damaged, in words; undefined when LevelDB loses nothing when it opens it, or
 * says itself what is wrong. Opening it would delete what the damage has cut off: tables that the MANIFEST does not name.
 *
 * A log that ends within a record is what a crash leaves. But a crash leaves the log that the MANIFEST names: LevelDB
 * deletes a log only when a MANIFEST that names a later one is on the disk.
 *
 * No log is ever synced here, so that a crash of the whole machine may leave the newest one with zeros or garbage at its
 * end. That is no damage as long as no record begins behind them: what LevelDB then reads is all that was written before
 * some moment, as after a cut. Where one does, a part is missing in the middle, whoever took it: pages that the system had
 * not written yet look like those that the disk has lost. So do two logs of which the older one has no end.
 *
 * @param maxTableBytes how much of tables is read to check them, the newest first
 * @throws what reading files throws
 */
export async function silentDamage(path: string, maxTableBytes: number): Promise<string | undefined> {
  const names = await readdir(path);
  const current = names.includes('CURRENT') ? await readFile(join(path, 'CURRENT'), 'latin1') : '';
  const manifest = /^(MANIFEST-\d+)\n$/.exec(current)?.[1];
  if (manifest === undefined || !names.includes(manifest)) return undefined;
  const { records, isBroken, isResumed } = readLog(await readFile(join(path, manifest)));
  // Of this, which is synced with each change, LevelDB itself takes no other end than a cut one.
  if (isBroken || isResumed) return `its ${manifest} has been changed`;
  const known = readManifest(records);
  if (known?.firstLog === undefined) return undefined;
  const first = BigInt(known.firstLog);
  const logs = names.flatMap((name) => LOG.exec(name)?.[1] ?? []).filter((number) => BigInt(number) >= first);
  logs.sort((a, b) => (BigInt(a) < BigInt(b) ? -1 : 1));
  // A database has none before it was opened for the first time.
  if (first > 0n && !logs.some((number) => BigInt(number) === first)) {
    return `the log that its ${manifest} names is missing, or the end of ${manifest}`;
  }
  for (const [i, number] of logs.entries()) {
    const { records, isCut, isResumed } = readLog(await readFile(join(path, `${number}.log`)));
    if (isResumed || batchesOf(records).length < records.length) return `its ${number}.log has been changed`;
    // The next one was begun when this one was whole.
    if (isCut && i < logs.length - 1) return `its ${number}.log is cut off`;
  }
  const table = await damagedTable(path, names, known.tables, maxTableBytes);
  return table && `its ${table} has been changed`;
}

/**
 * Which of the newest tables has wrong checksums: LevelDB, which does not look at them when it merges tables, would end the
 * process or give what is wrong a new checksum. A table that is missing it says itself.
 */
async function damagedTable(
  path: string,
  names: readonly string[],
  tables: ReadonlyMap<number, number>,
  maxBytes: number,
): Promise<string | undefined> {
  let bytes = 0;
  for (const [number, length] of [...tables].sort(([a], [b]) => b - a)) {
    bytes += length;
    if (bytes > maxBytes) return undefined;
    const digits = String(number).padStart(6, '0');
    const name = [`${digits}.ldb`, `${digits}.sst`].find((name) => names.includes(name));
    if (name !== undefined && !(await isIntactTable(join(path, name), length))) return name;
  }
  return undefined;
}
