import { equalBytes, toBareHex } from '../base/bytes.ts';
import { unlessError } from '../base/errors.ts';
import { forgetOldest } from '../base/recent.ts';
import { decodeRecord, type NodeRecord } from '../enr/index.ts';

/** Records that are remembered: those of some tables, as the same ones come in one answer after another. */
export const MAX_KNOWN_RECORDS = 2_048;
/** Where the signature of a record of 56 bytes or more is: behind the headers of the list and of itself. */
const SIGNATURE_AT = 4;
const SIGNATURE_END = SIGNATURE_AT + 64;

/** Reads the records of others. */
export interface RecordReader {
  /** The record of its RLP, which it keeps no view of; `undefined` if it is not valid. */
  read(encoded: Uint8Array): NodeRecord | undefined;
}

/** Records that have been verified, which takes longer than all else that is done with an answer. */
export class KnownRecords implements RecordReader {
  readonly #known = new Map<string, NodeRecord>();

  get size(): number {
    return this.#known.size;
  }

  /** The record of its RLP, of which it keeps a copy; `undefined` if it is not valid. */
  read(encoded: Uint8Array): NodeRecord | undefined {
    // No more than a place to look: whatever stands there may have been copied from another record.
    const key = toBareHex(encoded.subarray(SIGNATURE_AT, SIGNATURE_END));
    const known = this.#known.get(key);
    if (known !== undefined && equalBytes(known.encoded, encoded)) return known;
    const record = unlessError(() => decodeRecord(encoded));
    if (record === undefined) return undefined;
    this.#known.set(key, record);
    forgetOldest(this.#known, MAX_KNOWN_RECORDS);
    return record;
  }
}
