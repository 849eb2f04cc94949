/** Damage of a LevelDB directory that LevelDB itself passes over in silence. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readLog } from './level-log.ts';

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
 * @throws what reading files throws
 */
export async function silentDamage(path: string): Promise<string | undefined> {
  const names = await readdir(path);
  const current = names.includes('CURRENT') ? await readFile(join(path, 'CURRENT'), 'latin1') : '';
  const manifest = /^(MANIFEST-\d+)\n$/.exec(current)?.[1];
  if (manifest === undefined || !names.includes(manifest)) return undefined;
  const { records, broken, isResumed } = readLog(await readFile(join(path, manifest)));
  // Of this, which is synced with each change, LevelDB itself takes no other end than a cut one.
  if (broken.length > 0 || isResumed) return `its ${manifest} has been changed`;
  const first = firstLogOf(records);
  if (first === undefined) return undefined;
  const logs = names.flatMap((name) => LOG.exec(name)?.[1] ?? []).filter((number) => BigInt(number) >= first);
  logs.sort((a, b) => (BigInt(a) < BigInt(b) ? -1 : 1));
  // A database has none before it was opened for the first time.
  if (first > 0n && !logs.some((number) => BigInt(number) === first)) {
    return `the log that its ${manifest} names is missing, or the end of ${manifest}`;
  }
  for (const [i, number] of logs.entries()) {
    const { isCut, isResumed } = readLog(await readFile(join(path, `${number}.log`)));
    if (isResumed) return `its ${number}.log has been changed`;
    // The next one was begun when this one was whole.
    if (isCut && i < logs.length - 1) return `its ${number}.log is cut off`;
  }
  return undefined;
}

/** From which log on changes are not in tables yet (`VersionEdit`); undefined when the records are no MANIFEST. */
function firstLogOf(edits: readonly Uint8Array[]): bigint | undefined {
  let first: bigint | undefined;
  for (const edit of edits) {
    const fields = new Fields(edit);
    while (fields.isMore) {
      const tag = fields.number();
      if (tag === undefined) return undefined;
      if (tag === 2n) first = fields.number();
      else if (!fields.skip(FIELDS[Number(tag)])) return undefined;
    }
  }
  return first;
}

/** What follows the tags of an edit: `n` a number, `b` bytes. */
const FIELDS: readonly (string | undefined)[] = [
  undefined,
  'b', // comparator
  'n', // log
  'n', // next file
  'n', // last sequence number
  'nb', // compaction pointer: level, key
  'nn', // deleted file: level, number
  'nnnbb', // new file: level, number, size, smallest and largest key
  undefined,
  'n', // previous log
];

class Fields {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get isMore(): boolean {
    return this.#at < this.#bytes.length;
  }

  /** The next one, seven bits a byte; undefined when there is none. */
  number(): bigint | undefined {
    let value = 0n;
    for (let shift = 0n; shift < 64n; shift += 7n) {
      const byte = this.#bytes[this.#at++];
      if (byte === undefined) return undefined;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    return undefined;
  }

  skip(fields: string | undefined): boolean {
    if (fields === undefined) return false;
    for (const field of fields) {
      const value = this.number();
      if (value === undefined) return false;
      if (field === 'b') this.#at += Number(value);
    }
    return this.#at <= this.#bytes.length;
  }
}
