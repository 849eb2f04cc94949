import { equalBytes, toBareHex } from '../../src/base/bytes.ts';
import type { Discv5Crypto, RecordReader } from '../../src/discv5/index.ts';
import { openMessage } from '../../src/discv5/packet.ts';
import type { NodeRecord } from '../../src/enr/index.ts';

/** Where the signature of a record is: made-up ones have random bytes there. */
const SIGNATURE_AT = 4;
const SIGNATURE_END = SIGNATURE_AT + 64;
/** The id-nonce of a challenge stands at its end, before the number of a record. */
const KEY_LENGTH = 16;
const SEQ_LENGTH = 8;
const EPHEMERAL_KEY = new Uint8Array(33);

/** All records of a simulation: nobody signs any, and nobody verifies one. */
export class MadeUpRecords implements RecordReader {
  readonly #records = new Map<string, NodeRecord>();

  add(record: NodeRecord): void {
    this.#records.set(keyOf(record.encoded), record);
  }

  read(encoded: Uint8Array): NodeRecord | undefined {
    return this.#records.get(keyOf(encoded));
  }
}

function keyOf(encoded: Uint8Array): string {
  return toBareHex(encoded.subarray(SIGNATURE_AT, SIGNATURE_END));
}

/**
 * Handshakes of the same packets, lengths and order, whose keys anybody can tell: they are the challenge's random bytes, and
 * in place of a signature stands the public key. Messages are encrypted with those keys all the same.
 */
export function cheapDiscv5Crypto(records: MadeUpRecords): Discv5Crypto {
  return {
    records,
    begin({ publicKey }, { challengeData, enrSeq }, _recipient, localRecord) {
      const { initiatorKey, recipientKey } = keysOf(challengeData);
      return {
        keys: { write: initiatorKey, read: recipientKey },
        ...{ idSignature: publicKey, ephemeralKey: EPHEMERAL_KEY },
        record: enrSeq < localRecord.seq ? localRecord.encoded : undefined,
      };
    },
    accept(_identity, packet, { challengeData, record: known }) {
      const record = packet.record === undefined ? known : records.read(packet.record);
      if (record === undefined || !equalBytes(record.publicKey, packet.idSignature)) return undefined;
      const { initiatorKey, recipientKey } = keysOf(challengeData);
      const plaintext = openMessage(packet, initiatorKey);
      if (plaintext === undefined) return undefined;
      return { keys: { write: recipientKey, read: initiatorKey }, record, plaintext };
    },
  };
}

function keysOf(challengeData: Uint8Array): { initiatorKey: Uint8Array; recipientKey: Uint8Array } {
  const end = challengeData.length - SEQ_LENGTH;
  const initiatorKey = challengeData.slice(end - KEY_LENGTH, end);
  return { initiatorKey, recipientKey: initiatorKey.map((byte) => byte ^ 0xff) };
}
