/** What a MANIFEST of LevelDB says: its records are changes of the set of files (`VersionEdit`). */
import { Fields } from './level-fields.ts';

export interface Manifest {
  /** From which log on changes are not in tables yet; 0 before the first. */
  readonly firstLog: number | undefined;
  /** The lengths of the tables in use, by their numbers. */
  readonly tables: ReadonlyMap<number, number>;
}

/** Undefined when the records are no MANIFEST. */
export function readManifest(edits: readonly Uint8Array[]): Manifest | undefined {
  let firstLog: number | undefined;
  /** By level and number: a table that sinks a level is deleted and added by the same edit. */
  const tables = new Map<string, readonly [number: number, length: number]>();
  for (const edit of edits) {
    const fields = new Fields(edit);
    while (fields.isMore) {
      const tag = fields.number();
      const values = readFields(fields, FIELDS[tag ?? 0]);
      if (values === undefined) return undefined;
      const [first = 0, number = 0, length = 0] = values;
      if (tag === 2) firstLog = first;
      // LevelDB writes what an edit deletes before what it adds.
      else if (tag === 6) tables.delete(`${first} ${number}`);
      else if (tag === 7) tables.set(`${first} ${number}`, [number, length]);
    }
  }
  return { firstLog, tables: new Map(tables.values()) };
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
  'nnnbb', // new file: level, number, length, smallest and largest key
  undefined,
  'n', // previous log
];

/** The numbers among them. */
function readFields(fields: Fields, form: string | undefined): number[] | undefined {
  if (form === undefined) return undefined;
  const numbers: number[] = [];
  for (const field of form) {
    const value = field === 'n' ? fields.number() : fields.bytes();
    if (value === undefined) return undefined;
    if (typeof value === 'number') numbers.push(value);
  }
  return numbers;
}
