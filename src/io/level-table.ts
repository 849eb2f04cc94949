/**
 * The table format of LevelDB (its doc/table_format.md), in which its `.ldb` files are: blocks, each with `type: 1 byte,
 * checksum: 4` behind it, and a footer with the places of two of them, which name the places of the others.
 */
import { type FileHandle, open } from 'node:fs/promises';
import { unlessError } from '../base/errors.ts';
import { uncompress } from '../crypto/index.ts';
import { maskedCrc32c } from './crc32c.ts';
import { Fields } from './level-fields.ts';

const FOOTER_LENGTH = 48;
const MAGIC = 0xdb4775248b80fb57n;
const TRAILER_LENGTH = 5;
/** Bytes of a block; the largest value in one is far below that. */
const MAX_BLOCK = 64 * 1024 * 1024;
/** Bytes that are read at a time: many blocks. */
const WINDOW = 256 * 1024;

export interface TableEntry {
  /** With the sequence number and the type of the change, 8 bytes, behind it. */
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

interface Handle {
  readonly offset: number;
  readonly length: number;
}

/**
 * Whether all blocks of the table, which is the first `length` bytes of the file `path`, have their checksums. That its
 * keys are in order is not looked at. One block, or 256 KiB, is in memory at a time.
 * @throws what reading files throws
 */
export async function isIntactTable(path: string, length: number): Promise<boolean> {
  const file = await open(path);
  try {
    const table = new Table(file, length);
    const blocks = await table.blocks();
    if (blocks === undefined) return false;
    for (const handle of [...blocks.filters, ...blocks.data]) {
      if ((await table.read(handle)) === undefined) return false;
    }
    return true;
  } finally {
    await file.close();
  }
}

/**
 * The entries in the intact blocks of the table that the file `path` is, as far as their keys are in order. There are none
 * where the index of the blocks is broken.
 * @throws what reading files throws
 */
export async function* readTable(path: string): AsyncGenerator<TableEntry, void, undefined> {
  const file = await open(path);
  try {
    const table = new Table(file, (await file.stat()).size);
    let last: Uint8Array | undefined;
    for (const handle of (await table.blocks())?.data ?? []) {
      const stored = await table.read(handle);
      for (const entry of (stored && entriesOf(stored)) ?? []) {
        if ((entry.key.at(-8) ?? 2) > 1 || (last && !isBehind(entry.key, last))) continue;
        last = entry.key;
        yield entry;
      }
    }
  } finally {
    await file.close();
  }
}

/** A block with its type behind it. */
type Stored = Uint8Array;

class Table {
  readonly #file: FileHandle;
  readonly #length: number;
  #window = new Uint8Array();
  #start = 0;

  constructor(file: FileHandle, length: number) {
    this.#file = file;
    this.#length = length;
  }

  /** The places of the blocks of entries and of filters; undefined when these cannot be found. */
  async blocks(): Promise<
    { readonly data: readonly Handle[]; readonly filters: readonly Handle[] } | undefined
  > {
    const footer = await this.#bytes(this.#length - FOOTER_LENGTH, FOOTER_LENGTH);
    if (footer === undefined) return undefined;
    const magic = new DataView(footer.buffer, footer.byteOffset).getBigUint64(FOOTER_LENGTH - 8, true);
    const fields = new Fields(footer.slice(0, FOOTER_LENGTH - 8));
    if (magic !== MAGIC) return undefined;
    const filters = await this.#named(handleOf(fields));
    const data = await this.#named(handleOf(fields));
    return filters && data && { data, filters };
  }

  /** A block of which the checksum is right; it is there until the next one is read. */
  async read({ offset, length }: Handle): Promise<Stored | undefined> {
    if (length > MAX_BLOCK) return undefined;
    const bytes = await this.#bytes(offset, length + TRAILER_LENGTH);
    if (bytes === undefined) return undefined;
    const stored = bytes.subarray(0, length + 1);
    const sum = new DataView(bytes.buffer, bytes.byteOffset).getUint32(length + 1, true);
    return sum === maskedCrc32c(stored) ? stored : undefined;
  }

  async #named(handle: Handle | undefined): Promise<Handle[] | undefined> {
    const stored = handle && (await this.read(handle));
    const handles = (stored && entriesOf(stored))?.map(({ value }) => handleOf(new Fields(value)));
    const known = handles?.flatMap((handle) => handle ?? []);
    return known?.length === handles?.length ? known : undefined;
  }

  async #bytes(offset: number, length: number): Promise<Uint8Array | undefined> {
    if (offset < 0 || offset + length > this.#length) return undefined;
    if (offset < this.#start || offset + length > this.#start + this.#window.length) {
      const room = new Uint8Array(Math.min(Math.max(WINDOW, length), this.#length - offset));
      let filled = 0;
      while (filled < room.length) {
        const { bytesRead } = await this.#file.read(room, filled, room.length - filled, offset + filled);
        if (bytesRead === 0) break;
        filled += bytesRead;
      }
      this.#window = room.subarray(0, filled);
      this.#start = offset;
      if (filled < length) return undefined;
    }
    return this.#window.subarray(offset - this.#start, offset - this.#start + length);
  }
}

function handleOf(fields: Fields): Handle | undefined {
  const offset = fields.number();
  const length = fields.number();
  return offset === undefined || length === undefined ? undefined : { offset, length };
}

/** The entries of a block, which share the beginnings of their keys; undefined when it is none. */
function entriesOf(stored: Stored): TableEntry[] | undefined {
  const block = contentsOf(stored);
  if (block === undefined || block.length < 4) return undefined;
  const restarts = new DataView(block.buffer, block.byteOffset).getUint32(block.length - 4, true);
  const end = block.length - 4 - 4 * restarts;
  if (end < 0) return undefined;
  const fields = new Fields(block.subarray(0, end));
  const entries: TableEntry[] = [];
  let last: Uint8Array = new Uint8Array();
  while (fields.isMore) {
    const [shared, own, length] = [fields.number(), fields.number(), fields.number()];
    if (shared === undefined || own === undefined || length === undefined) return undefined;
    const [rest, value] = [fields.bytes(own), fields.bytes(length)];
    if (shared > last.length || rest === undefined || value === undefined) return undefined;
    const key = new Uint8Array(shared + own);
    key.set(last.subarray(0, shared));
    key.set(rest, shared);
    last = key;
    entries.push({ key, value });
  }
  return entries;
}

/** A block as it was before it was compressed, in memory of its own. */
function contentsOf(stored: Stored): Uint8Array | undefined {
  const bytes = stored.slice(0, -1);
  const type = stored.at(-1);
  if (type === 0) return bytes;
  if (type !== 1) return undefined;
  return unlessError(() => uncompress(bytes, MAX_BLOCK));
}

/** Keys go up, and the changes of one key from the newest to the oldest. */
function isBehind(key: Uint8Array, last: Uint8Array): boolean {
  const order = Buffer.compare(key.subarray(0, -8), last.subarray(0, -8));
  return order === 0 ? sequenceOf(key) < sequenceOf(last) : order > 0;
}

function sequenceOf(key: Uint8Array): bigint {
  return new DataView(key.buffer, key.byteOffset).getBigUint64(key.length - 8, true) >> 8n;
}
