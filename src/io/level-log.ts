/**
 * The log format of LevelDB (its doc/log_format.md), in which it writes its `.log` and MANIFEST files: records in blocks of
 * 32 KiB, each `checksum: 4 bytes, length: 2, type: 1`, little-endian, and its bytes. One that does not fit into the rest
 * of a block goes on in the next.
 */

const BLOCK_LENGTH = 32_768;
const HEADER_LENGTH = 7;
/** In the order of their numbers, from 1. */
const TYPES = ['full', 'first', 'middle', 'last'] as const;

export interface LogContents {
  /** The records that are whole, in their order. */
  readonly records: readonly Uint8Array[];
  /** Where something stands that nobody has written so. What follows in the same block cannot be read. */
  readonly broken: readonly number[];
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
  const broken: number[] = [];
  let [isCut, isLost, isResumed] = [false, false, false];
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
        broken.push(at);
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
  return { records, broken, isCut, isResumed };
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

/** Makes readers pass over what is broken, in place: LevelDB's repair would take it without a look at its checksum. */
export function blankBroken(file: Uint8Array, { broken }: LogContents): void {
  for (const at of broken) {
    file.fill(0, at, Math.min(file.length, at - (at % BLOCK_LENGTH) + BLOCK_LENGTH));
  }
}

/** Whether a record has the checksum that it says: CRC-32C of its type and bytes, turned and moved (`crc32c::Mask`). */
function isIntact(record: Uint8Array): boolean {
  const view = new DataView(record.buffer, record.byteOffset, HEADER_LENGTH);
  const crc = crc32c(record.subarray(HEADER_LENGTH - 1));
  return view.getUint32(0, true) === (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}

/** Castagnoli's polynomial, its bits turned round. */
const POLYNOMIAL = 0x82f63b78;
const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ ((crc & 1) * POLYNOMIAL);
  return crc;
});

export function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (let i = 0; i < bytes.length; i++) crc = (crc >>> 8) ^ (TABLE[(crc ^ (bytes[i] ?? 0)) & 0xff] ?? 0);
  return ~crc >>> 0;
}
