/** What of the cryptography costs most. A simulation of many nodes in one process puts something cheaper in its place. */
import type { Challenge } from './challenges.ts';
import { type Accepted, acceptHandshake, beginHandshake, type Identity } from './handshake.ts';
import { KnownRecords, type RecordReader } from './known-records.ts';
import type { HandshakePacket } from './packet.ts';

/** The two sides of a handshake, and what reads the records of answers. */
export interface Discv5Crypto {
  readonly begin: typeof beginHandshake;
  accept(identity: Identity, packet: HandshakePacket, challenge: Challenge): Accepted | undefined;
  readonly records: RecordReader;
}

/** The real one, of one engine. */
export function discv5Crypto(): Discv5Crypto {
  // Apart from the records of answers, which strangers are not to drive out.
  const shown = new KnownRecords();
  return {
    begin: beginHandshake,
    accept: (identity, packet, challenge) => acceptHandshake(identity, packet, challenge, shown),
    records: new KnownRecords(),
  };
}
