/**
 * The log format of LevelDB (its doc/log_format.md), in which it writes its `.log` and MANIFEST files: records in blocks of
 * 32 KiB, each `checksum: 4 bytes, length: 2, type: 1`, little-endian, and its bytes. One that does not fit into the rest
 * of a block goes on in the next.
 */
import { maskedCrc32c } from './crc32c.ts';

const BLOCK_LENGTH = 32_768;
const HEADER_LENGTH = 7;
/** In the order of their numbers, from 1. */
const TYPES = ['full', 'first', 'middle', 'last'] as const;

export interface LogContents {
  /** The records that are whole, in their order. */
  readonly records: readonly Uint8Array[];
  /** Something stands there that nobody has written so. What follows it in the same block cannot be read. */
  readonly isBroken: boolean;
  /**
   * The end is missing: the file ends within a record, as one does that was being written when its process ended, or with
   * something else than records, as when the machine did, and the system had not written all of it.
   */
  readonly isCut: boolean;
  /** Behind something else than records there are records again, whole or not: it is no end that is missing. */
  readonly isResumed: boolean;
}

export function readLog(file: Uint8Array): LogContents {
  const records: Uint8Array[] = [];
  let [isBroken, isCut, isLost, isResumed] = [false, false, false, false];
  /** Of a record that is not whole yet. */
  let parts: Uint8Array[] | undefined;
  /** What stands there is no record; `rest` is what is left of the block. */
  const lose = (rest: Uint8Array): void => {
    if (!isLost) isResumed = holdsBegin(rest);
    isLost = true;
    parts = undefined;
  };
  for (let block = 0; block < file.length; block += BLOCK_LENGTH) {
    const end = Math.min(file.length, block + BLOCK_LENGTH);
    const isLast = end === file.length;
    for (let at = block; at <= block + BLOCK_LENGTH - HEADER_LENGTH && at < end; ) {
      const head = file.subarray(at, at + HEADER_LENGTH);
      // What no record was written over: the rest of the block is passed over, as LevelDB does.
      if (head.every((byte) => byte === 0)) {
        lose(file.subarray(at, end));
        break;
      }
      const next = at + HEADER_LENGTH + lengthAt(file, at);
      if (isLast && next > end && next <= block + BLOCK_LENGTH) {
        isCut = true;
        break;
      }
      const type = TYPES[(head[6] ?? 0) - 1];
      if (type === undefined || next > end || !isIntact(file.subarray(at, next))) {
        isBroken = true;
        lose(file.subarray(at + 1, end));
        break;
      }
      const bytes = file.subarray(at + HEADER_LENGTH, next);
      if (type === 'full' || type === 'first') {
        parts = [];
        isResumed ||= isLost;
      }
      parts?.push(bytes);
      if ((type === 'full' || type === 'last') && parts !== undefined) {
        records.push(parts.length === 1 ? bytes : new Uint8Array(Buffer.concat(parts)));
        parts = undefined;
      }
      at = next;
    }
  }
  isCut ||= parts !== undefined || (isLost && !isResumed);
  return { records, isBroken, isCut, isResumed };
}

/**
 * Whether an intact record, or the first part of one, begins somewhere in the rest of a block: the length that would lead to
 * it may be what is wrong.
 */
function holdsBegin(rest: Uint8Array): boolean {
  for (let at = 0; at + HEADER_LENGTH <= rest.length; at++) {
    const type = TYPES[(rest[at + 6] ?? 0) - 1];
    const next = at + HEADER_LENGTH + lengthAt(rest, at);
    if ((type !== 'full' && type !== 'first') || next > rest.length) continue;
    if (isIntact(rest.subarray(at, next))) return true;
  }
  return false;
}

function lengthAt(bytes: Uint8Array, at: number): number {
  return (bytes[at + 4] ?? 0) + 256 * (bytes[at + 5] ?? 0);
}

/** A log of these records. */
export function logOf(records: readonly Uint8Array[]): Uint8Array {
  const chunks: Uint8Array[] = [];
  let length = 0;
  const push = (bytes: Uint8Array): void => {
    chunks.push(bytes);
    length += bytes.length;
  };
  for (const record of records) {
    let at = 0;
    do {
      const rest = BLOCK_LENGTH - (length % BLOCK_LENGTH);
      if (rest < HEADER_LENGTH) push(new Uint8Array(rest));
      const room = BLOCK_LENGTH - (length % BLOCK_LENGTH) - HEADER_LENGTH;
      const part = record.subarray(at, at + room);
      const isLast = at + part.length === record.length;
      const type = at === 0 ? (isLast ? 'full' : 'first') : isLast ? 'last' : 'middle';
      const chunk = new Uint8Array(HEADER_LENGTH + part.length);
      chunk.set([part.length & 0xff, part.length >> 8, TYPES.indexOf(type) + 1], 4);
      chunk.set(part, HEADER_LENGTH);
      new DataView(chunk.buffer).setUint32(0, maskedCrc32c(chunk.subarray(HEADER_LENGTH - 1)), true);
      push(chunk);
      at += part.length;
    } while (at < record.length);
  }
  return new Uint8Array(Buffer.concat(chunks));
}

/** Whether a record has the checksum that it says, of its type and bytes. */
function isIntact(record: Uint8Array): boolean {
  const view = new DataView(record.buffer, record.byteOffset, HEADER_LENGTH);
  return view.getUint32(0, true) === maskedCrc32c(record.subarray(HEADER_LENGTH - 1));
}
