/**
 * Batches of changes, which are the records of a `.log` of LevelDB (its db/write_batch.cc): `sequence number: 8 bytes,
 * count: 4`, little-endian, and the changes, each `type: 1 byte, key`, and for a value that one, behind their lengths.
 */
import { Fields } from './level-fields.ts';

const HEADER_LENGTH = 12;
/** Sequence numbers have 56 bits; LevelDB ends the process where one has more. */
const MAX_SEQUENCE = (1n << 56n) - 1n;

/**
 * The batches among the records of a log, in their order. Each has higher sequence numbers than those before it: LevelDB
 * ends the process where a change comes twice.
 */
export function batchesOf(records: readonly Uint8Array[]): Uint8Array[] {
  let next = 0n;
  return records.filter((record) => {
    const count = countOf(record);
    if (count === undefined) return false;
    const first = new DataView(record.buffer, record.byteOffset).getBigUint64(0, true);
    const end = first + BigInt(count);
    if (first < next || end > MAX_SEQUENCE + 1n) return false;
    next = end;
    return true;
  });
}

/** How many changes a batch has; undefined when it is none. */
function countOf(record: Uint8Array): number | undefined {
  if (record.length < HEADER_LENGTH) return undefined;
  const count = new DataView(record.buffer, record.byteOffset).getUint32(8, true);
  const fields = new Fields(record, HEADER_LENGTH);
  let found = 0;
  for (; fields.isMore; found++) {
    const type = fields.bytes(1)?.[0];
    if (type === undefined || type > 1 || fields.bytes() === undefined) return undefined;
    if (type === 1 && fields.bytes() === undefined) return undefined;
  }
  return found === count ? count : undefined;
}

/** A batch of one change: of the key as tables have it, its sequence number and type behind it. */
export function batchOf(internalKey: Uint8Array, value: Uint8Array): Uint8Array {
  const key = internalKey.subarray(0, -8);
  const trailer = internalKey.subarray(-8);
  const isValue = trailer[0] === 1;
  const head = new Uint8Array(HEADER_LENGTH);
  head.set(trailer.subarray(1));
  head[8] = 1;
  const parts = [head, Uint8Array.of(isValue ? 1 : 0), lengthOf(key), key];
  if (isValue) parts.push(lengthOf(value), value);
  return new Uint8Array(Buffer.concat(parts));
}

function lengthOf({ length }: Uint8Array): Uint8Array {
  const bytes: number[] = [];
  let rest = length;
  for (; rest >= 128; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80);
  return Uint8Array.of(...bytes, rest);
}
