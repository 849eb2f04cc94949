/** What of the cryptography costs most. A simulation of many nodes in one process puts something cheaper in its place. */
import type { NodeRecord } from '../enr/index.ts';
import { acceptHandshake, beginHandshake } from './handshake.ts';
import { KnownRecords } from './known-records.ts';

/** Reads the records of answers. */
export interface RecordReader {
  /** The record of its RLP, which it keeps no view of; `undefined` if it is not valid. */
  read(encoded: Uint8Array): NodeRecord | undefined;
}

/** The two sides of a handshake, and the records that others send. */
export interface Discv5Crypto {
  readonly begin: typeof beginHandshake;
  readonly accept: typeof acceptHandshake;
  readonly records: RecordReader;
}

/** The real one, of one engine. */
export function discv5Crypto(): Discv5Crypto {
  return { begin: beginHandshake, accept: acceptHandshake, records: new KnownRecords() };
}
