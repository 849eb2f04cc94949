/** Packets: the masked header, and the message behind it (discv5-wire.md, "Packet Encoding"). */
import { concatBytes } from '../base/bytes.ts';
import { PeerlaneError } from '../base/errors.ts';
import {
  COMPACT_SIGNATURE_LENGTH,
  COMPRESSED_KEY_LENGTH,
  GCM_TAG_LENGTH,
  gcmOpen,
  sealPacket,
  unmaskPacket,
} from '../crypto/index.ts';
import { MAX_RECORD_SIZE } from '../enr/index.ts';
import { ID_LENGTH } from '../kad/index.ts';

/** discv5-wire.md, "UDP Communication". The shortest is WHOAREYOU, which has no other length. */
export const MIN_PACKET_SIZE = 63;
export const MAX_PACKET_SIZE = 1280;

export const NONCE_LENGTH = 12;
export const MASKING_IV_LENGTH = 16;
export const ID_NONCE_LENGTH = 16;
export const SESSION_KEY_LENGTH = 16;

/** "discv5" and the version, 1. */
const PROTOCOL = Uint8Array.of(0x64, 0x69, 0x73, 0x63, 0x76, 0x35, 0, 1);
const PROTOCOL_ID_LENGTH = 6;

// Where the fields of the header are in a packet (discv5-wire.md, "Protocol Header").
const PROTOCOL_AT = MASKING_IV_LENGTH;
const FLAG_AT = PROTOCOL_AT + PROTOCOL.length;
const NONCE_AT = FLAG_AT + 1;
const SIZE_AT = NONCE_AT + NONCE_LENGTH;
const AUTHDATA_AT = SIZE_AT + 2;

const FLAG = { message: 0, whoareyou: 1, handshake: 2 } as const;

const MESSAGE_SIZE = ID_LENGTH;
const WHOAREYOU_SIZE = ID_NONCE_LENGTH + 8;
/** `authdata-head` of a handshake: src-id, sig-size, eph-key-size. */
const HANDSHAKE_HEAD_LENGTH = ID_LENGTH + 2;
/** Without a record. Both sizes are those of the identity scheme "v4". */
const HANDSHAKE_SIZE = HANDSHAKE_HEAD_LENGTH + COMPACT_SIGNATURE_LENGTH + COMPRESSED_KEY_LENGTH;

/** Where the message of an ordinary packet begins: all of the header that most packets have. */
const MESSAGE_AT = AUTHDATA_AT + MESSAGE_SIZE;

/** The longest plaintext that `sealMessage` takes, in bytes. */
export const MAX_PLAINTEXT_SIZE = MAX_PACKET_SIZE - MESSAGE_AT - GCM_TAG_LENGTH;

/** The longest that `sealHandshake` takes whatever record comes with it. */
export const MAX_FIRST_SIZE =
  MAX_PACKET_SIZE - AUTHDATA_AT - HANDSHAKE_SIZE - MAX_RECORD_SIZE - GCM_TAG_LENGTH;

export interface Header {
  readonly kind: 'message' | 'whoareyou' | 'handshake';
  /** 12 bytes; of WHOAREYOU that of the packet which it answers. */
  readonly nonce: Uint8Array;
}

/** What `openMessage` needs of a packet. */
export interface SealedMessage {
  readonly nonce: Uint8Array;
  /** masking-iv || header: the `message-ad`. */
  readonly authData: Uint8Array;
  /** Ciphertext and tag, 16 bytes at least. A view of the packet. */
  readonly message: Uint8Array;
}

/** An ordinary message packet (discv5-wire.md, "Ordinary Message Packet"). */
export interface MessagePacket extends Header, SealedMessage {
  readonly kind: 'message';
  /** Of who says that he sent it. */
  readonly srcId: Uint8Array;
}

/** discv5-wire.md, "WHOAREYOU Packet". */
export interface WhoareyouPacket extends Header {
  readonly kind: 'whoareyou';
  /** 16 bytes. */
  readonly idNonce: Uint8Array;
  /** Of our record, as far as the sender knows it; 0: he has none. */
  readonly enrSeq: bigint;
  /** masking-iv || header, from which the keys of the session follow. */
  readonly challengeData: Uint8Array;
}

/** discv5-wire.md, "Handshake Message Packet". Nothing of it has been verified. */
export interface HandshakePacket extends Header, SealedMessage {
  readonly kind: 'handshake';
  readonly srcId: Uint8Array;
  /** r and s, 64 bytes. */
  readonly idSignature: Uint8Array;
  /** Compressed, 33 bytes, which need not be a point. */
  readonly ephemeralKey: Uint8Array;
  /** RLP that need not be a record, at most 300 bytes; `undefined` if there is none. */
  readonly record: Uint8Array | undefined;
}

export type Unmasked = MessagePacket | WhoareyouPacket | HandshakePacket;

/**
 * Reads the header of a packet. `undefined`: it is none of discovery v5 for the node `localId` (and may be one of v4); its
 * size is not one of 63 to 1,280 bytes, or `protocol-id` is not there. `malformed`: it is one, with a version other than
 * 1, an unknown flag, an `authdata-size` that its flag does not have or that leaves no room for the tag of a message, a
 * WHOAREYOU with a message, or a handshake with sizes that the identity scheme "v4" lacks or a record of over 300 bytes.
 *
 * `message` is a view of the packet, and must be copied by whoever keeps it longer than that. All else lies in memory of
 * its own, as long as the header: all are views of that one.
 *
 * @param localId 32 bytes
 * @throws PeerlaneError `invalid-argument` if `localId` has another length
 */
export function unmask(packet: Uint8Array, localId: Uint8Array): Unmasked | 'malformed' | undefined {
  const { length } = packet;
  if (length < MIN_PACKET_SIZE || length > MAX_PACKET_SIZE) return undefined;
  const head = unmaskPacket(localId, packet, Math.min(length, MESSAGE_AT));
  for (let i = 0; i < PROTOCOL_ID_LENGTH; i++) if (head[PROTOCOL_AT + i] !== PROTOCOL[i]) return undefined;
  for (let i = PROTOCOL_ID_LENGTH; i < PROTOCOL.length; i++)
    if (head[PROTOCOL_AT + i] !== PROTOCOL[i]) return 'malformed';
  const size = ((head[SIZE_AT] ?? 0) << 8) | (head[SIZE_AT + 1] ?? 0);
  switch (head[FLAG_AT]) {
    case FLAG.message:
      if (size !== MESSAGE_SIZE || length < MESSAGE_AT + GCM_TAG_LENGTH) return 'malformed';
      return {
        kind: 'message',
        nonce: head.subarray(NONCE_AT, SIZE_AT),
        srcId: head.subarray(AUTHDATA_AT),
        authData: head,
        message: packet.subarray(MESSAGE_AT),
      };
    case FLAG.whoareyou:
      if (size !== WHOAREYOU_SIZE || length !== AUTHDATA_AT + WHOAREYOU_SIZE) return 'malformed';
      return whoareyou(head);
    case FLAG.handshake: {
      const end = AUTHDATA_AT + size;
      if (size < HANDSHAKE_SIZE || size > HANDSHAKE_SIZE + MAX_RECORD_SIZE) return 'malformed';
      if (length < end + GCM_TAG_LENGTH) return 'malformed';
      return handshake(unmaskPacket(localId, packet, end), packet.subarray(end));
    }
    default:
      return 'malformed';
  }
}

function whoareyou(head: Uint8Array): WhoareyouPacket {
  const seqAt = AUTHDATA_AT + ID_NONCE_LENGTH;
  return {
    kind: 'whoareyou',
    nonce: head.subarray(NONCE_AT, SIZE_AT),
    idNonce: head.subarray(AUTHDATA_AT, seqAt),
    enrSeq: new DataView(head.buffer, head.byteOffset).getBigUint64(seqAt),
    challengeData: head,
  };
}

function handshake(head: Uint8Array, message: Uint8Array): HandshakePacket | 'malformed' {
  const sizesAt = AUTHDATA_AT + ID_LENGTH;
  if (head[sizesAt] !== COMPACT_SIGNATURE_LENGTH || head[sizesAt + 1] !== COMPRESSED_KEY_LENGTH)
    return 'malformed';
  const signatureAt = AUTHDATA_AT + HANDSHAKE_HEAD_LENGTH;
  const keyAt = signatureAt + COMPACT_SIGNATURE_LENGTH;
  const recordAt = keyAt + COMPRESSED_KEY_LENGTH;
  return {
    kind: 'handshake',
    nonce: head.subarray(NONCE_AT, SIZE_AT),
    srcId: head.subarray(AUTHDATA_AT, sizesAt),
    idSignature: head.subarray(signatureAt, keyAt),
    ephemeralKey: head.subarray(keyAt, recordAt),
    record: recordAt === head.length ? undefined : head.subarray(recordAt),
    authData: head,
    message,
  };
}

/**
 * The plaintext, `message-type || message-data`, in new memory; it may be empty. `undefined` if the key is another one, or
 * anything in the packet was changed.
 *
 * @param key 16 bytes
 * @throws PeerlaneError `invalid-argument`
 */
export function openMessage(packet: SealedMessage, key: Uint8Array): Uint8Array | undefined {
  return gcmOpen(key, packet.nonce, packet.message, packet.authData);
}

interface Addressed {
  /** Of the recipient, 32 bytes. */
  readonly destId: Uint8Array;
  /** 12 bytes; never twice with one key. Of WHOAREYOU that of the packet which it answers. */
  readonly nonce: Uint8Array;
  /** 16 random bytes. */
  readonly maskingIv: Uint8Array;
}

export interface MessageToSeal extends Addressed {
  /** Our own, 32 bytes. */
  readonly srcId: Uint8Array;
  /** 16 bytes. */
  readonly key: Uint8Array;
  /** message-type || message-data, at most `MAX_PLAINTEXT_SIZE` bytes. */
  readonly plaintext: Uint8Array;
}

/** Written anew for each message: memory for one takes as long as to write it. */
const messageHead = new Uint8Array(MESSAGE_AT);

/**
 * An ordinary message packet. It may share its memory with others: to be sent, or copied by whoever keeps it.
 * @throws PeerlaneError `invalid-argument` for what has a wrong length
 */
export function sealMessage(options: MessageToSeal): Uint8Array {
  const { destId, srcId, nonce, maskingIv, key, plaintext } = options;
  const sealed = plaintext.length + GCM_TAG_LENGTH;
  const head = headOf(FLAG.message, nonce, maskingIv, MESSAGE_SIZE, sealed, messageHead);
  head.set(exactly(srcId, 'srcId', ID_LENGTH), AUTHDATA_AT);
  return sealPacket(destId, key, head, plaintext);
}

export interface RandomMessage extends Addressed {
  readonly srcId: Uint8Array;
  /** Stands in for a ciphertext: 16 to `MAX_PLAINTEXT_SIZE + 16` random bytes. */
  readonly random: Uint8Array;
}

/**
 * An ordinary message packet that nobody can decrypt, for a node with which there is no session, so that it answers with
 * WHOAREYOU (discv5-theory.md, "Step 1: Node A sends message packet").
 * @throws PeerlaneError `invalid-argument` for what has a wrong length
 */
export function randomMessage({ destId, srcId, nonce, maskingIv, random }: RandomMessage): Uint8Array {
  if (random.length < GCM_TAG_LENGTH) throw wrongLength('random', random.length);
  const head = headOf(FLAG.message, nonce, maskingIv, MESSAGE_SIZE, random.length);
  head.set(exactly(srcId, 'srcId', ID_LENGTH), AUTHDATA_AT);
  return concatBytes(masked(head, destId), random);
}

export interface WhoareyouToSeal extends Addressed {
  /** 16 random bytes. */
  readonly idNonce: Uint8Array;
  /** Of the record that we have of the recipient; 0: none. */
  readonly enrSeq: bigint;
}

export interface SealedWhoareyou {
  readonly packet: Uint8Array;
  /** masking-iv || header, in memory of its own. */
  readonly challengeData: Uint8Array;
}

/** A WHOAREYOU packet. @throws PeerlaneError `invalid-argument` for what has a wrong length, or no number of 64 bits */
export function sealWhoareyou(options: WhoareyouToSeal): SealedWhoareyou {
  const { destId, nonce, maskingIv, idNonce, enrSeq } = options;
  if (enrSeq < 0n || enrSeq >= 1n << 64n) {
    throw new PeerlaneError('invalid-argument', 'enrSeq is not a number of 64 bits');
  }
  const challengeData = headOf(FLAG.whoareyou, nonce, maskingIv, WHOAREYOU_SIZE, 0);
  challengeData.set(exactly(idNonce, 'idNonce', ID_NONCE_LENGTH), AUTHDATA_AT);
  new DataView(challengeData.buffer).setBigUint64(AUTHDATA_AT + ID_NONCE_LENGTH, enrSeq);
  return { packet: masked(challengeData, destId), challengeData };
}

export interface HandshakeToSeal extends MessageToSeal {
  /** Of `signIdentity`, 64 bytes. */
  readonly idSignature: Uint8Array;
  /** The compressed public key, 33 bytes. */
  readonly ephemeralKey: Uint8Array;
  /** The RLP of our record, where the recipient lacks it. */
  readonly record?: Uint8Array | undefined;
}

/**
 * A handshake message packet, in memory as `sealMessage` says. Its plaintext has to be shorter than that of an ordinary one: by 99 bytes and the record.
 * @throws PeerlaneError `invalid-argument` for what has a wrong length
 */
export function sealHandshake(options: HandshakeToSeal): Uint8Array {
  const { destId, srcId, nonce, maskingIv, key, plaintext, idSignature, ephemeralKey, record } = options;
  const recordLength = record?.length ?? 0;
  if (recordLength > MAX_RECORD_SIZE) throw wrongLength('record', recordLength);
  const size = HANDSHAKE_SIZE + recordLength;
  const head = headOf(FLAG.handshake, nonce, maskingIv, size, plaintext.length + GCM_TAG_LENGTH);
  let at = AUTHDATA_AT;
  const put = (bytes: Uint8Array): void => {
    head.set(bytes, at);
    at += bytes.length;
  };
  put(exactly(srcId, 'srcId', ID_LENGTH));
  head[at++] = COMPACT_SIGNATURE_LENGTH;
  head[at++] = COMPRESSED_KEY_LENGTH;
  put(exactly(idSignature, 'idSignature', COMPACT_SIGNATURE_LENGTH));
  put(exactly(ephemeralKey, 'ephemeralKey', COMPRESSED_KEY_LENGTH));
  if (record !== undefined) put(record);
  return sealPacket(destId, key, head, plaintext);
}

/** masking-iv || header, without the authdata, which is still to be written. */
function headOf(
  flag: number,
  nonce: Uint8Array,
  maskingIv: Uint8Array,
  authDataSize: number,
  messageLength: number,
  head = new Uint8Array(AUTHDATA_AT + authDataSize),
): Uint8Array {
  const length = AUTHDATA_AT + authDataSize + messageLength;
  if (length > MAX_PACKET_SIZE) {
    throw new PeerlaneError(
      'invalid-argument',
      `a packet of ${length} bytes, of which there may be ${MAX_PACKET_SIZE}`,
    );
  }
  head.set(exactly(maskingIv, 'maskingIv', MASKING_IV_LENGTH));
  head.set(PROTOCOL, PROTOCOL_AT);
  head[FLAG_AT] = flag;
  head.set(exactly(nonce, 'nonce', NONCE_LENGTH), NONCE_AT);
  head[SIZE_AT] = authDataSize >> 8;
  head[SIZE_AT + 1] = authDataSize;
  return head;
}

/** To mask is to unmask. */
const masked = (head: Uint8Array, destId: Uint8Array): Uint8Array => unmaskPacket(destId, head, head.length);

function exactly(bytes: Uint8Array, name: string, length: number): Uint8Array {
  if (bytes.length !== length) throw wrongLength(name, bytes.length);
  return bytes;
}

function wrongLength(name: string, length: number): PeerlaneError {
  return new PeerlaneError('invalid-argument', `${name} must not have ${length} bytes`);
}
