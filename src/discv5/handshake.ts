/** The two sides of a handshake (discv5-theory.md, "Handshake Steps"). */
import { equalBytes } from '../base/bytes.ts';
import { unlessError } from '../base/errors.ts';
import { generateSecretKey, publicKeyOf } from '../crypto/index.ts';
import { compressPublicKey, type NodeRecord, nodeIdOf } from '../enr/index.ts';
import { type KadNode, newestRecord } from '../kad/index.ts';
import type { Challenge } from './challenges.ts';
import { deriveKeys, signIdentity, verifyIdentity } from './keys.ts';
import type { RecordReader } from './known-records.ts';
import { type HandshakePacket, openMessage, type WhoareyouPacket } from './packet.ts';
import type { DirectedKeys } from './sessions.ts';

/** Who we are. */
export interface Identity {
  readonly secretKey: Uint8Array;
  /** 64 bytes. */
  readonly publicKey: Uint8Array;
  /** 32 bytes. */
  readonly id: Uint8Array;
}

/** @throws PeerlaneError `invalid-secret-key` */
export function identityOf(secretKey: Uint8Array): Identity {
  const publicKey = publicKeyOf(secretKey);
  return { secretKey, publicKey, id: nodeIdOf(publicKey) };
}

/** What the handshake packet of an initiator has in front of its message. */
export interface Begun {
  readonly keys: DirectedKeys;
  readonly idSignature: Uint8Array;
  readonly ephemeralKey: Uint8Array;
  /** Our record, if the other side has none that is as new. */
  readonly record: Uint8Array | undefined;
}

/** Step 3. @throws PeerlaneError `invalid-public-key` for a node whose key is none */
export function beginHandshake(
  { secretKey, id }: Identity,
  { challengeData, enrSeq }: WhoareyouPacket,
  recipient: Pick<KadNode, 'id' | 'publicKey'>,
  localRecord: NodeRecord,
  randomBytes: (length: number) => Uint8Array,
): Begun {
  const ephemeralSecret = generateSecretKey({ randomBytes });
  const ephemeralKey = compressPublicKey(publicKeyOf(ephemeralSecret));
  const { initiatorKey, recipientKey } = deriveKeys({
    secretKey: ephemeralSecret,
    publicKey: recipient.publicKey,
    initiatorId: id,
    recipientId: recipient.id,
    challengeData,
  });
  return {
    keys: { write: initiatorKey, read: recipientKey },
    idSignature: signIdentity({ secretKey, challengeData, ephemeralKey, recipientId: recipient.id }),
    ephemeralKey,
    // Whoever has none says 0, which may be the number of a record too.
    record: enrSeq === 0n || enrSeq < localRecord.seq ? localRecord.encoded : undefined,
  };
}

/** What a recipient has of a handshake that proves who began it. */
export interface Accepted {
  readonly keys: DirectedKeys;
  readonly record: NodeRecord;
  readonly plaintext: Uint8Array;
}

/** Step 4; `undefined` when the packet proves nothing, or its message does not open. */
export function acceptHandshake(
  identity: Identity,
  packet: HandshakePacket,
  challenge: Challenge,
  records: RecordReader,
): Accepted | undefined {
  const { idSignature, ephemeralKey, srcId } = packet;
  const { challengeData } = challenge;
  const sent = packet.record === undefined ? undefined : recordOf(packet.record, srcId, records);
  if (sent === 'invalid') return undefined;
  const record = newestRecord(sent, challenge.record);
  if (record === undefined) return undefined;
  const { publicKey } = record;
  const recipientId = identity.id;
  if (!verifyIdentity({ signature: idSignature, publicKey, challengeData, ephemeralKey, recipientId }))
    return undefined;
  const agreement = {
    secretKey: identity.secretKey,
    publicKey: ephemeralKey,
    initiatorId: srcId,
    recipientId,
    challengeData,
  };
  const keys = unlessError(() => deriveKeys(agreement), 'invalid-public-key');
  if (keys === undefined) return undefined;
  const { initiatorKey, recipientKey } = keys;
  const plaintext = openMessage(packet, initiatorKey);
  if (plaintext === undefined) return undefined;
  return { keys: { write: recipientKey, read: initiatorKey }, record, plaintext };
}

/** A record that came in a handshake packet, which has to be its sender's. */
function recordOf(encoded: Uint8Array, id: Uint8Array, records: RecordReader): NodeRecord | 'invalid' {
  const record = records.read(encoded);
  return record !== undefined && equalBytes(record.nodeId, id) ? record : 'invalid';
}
