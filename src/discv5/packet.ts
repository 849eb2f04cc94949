/** Packets (discv5-wire.md, "Packet Encoding"): a masked header, and behind it an encrypted message. */
import { concatBytes, EMPTY, equalBytes } from '../base/bytes.ts';
import { aes128Ctr, COMPRESSED_KEY_LENGTH, GCM_TAG_LENGTH, gcmOpen, gcmSeal } from '../crypto/index.ts';
import { MAX_RECORD_SIZE } from '../enr/index.ts';
import { ID_LENGTH } from '../kad/index.ts';

/** "UDP Communication": what is shorter or longer is no packet. */
export const MIN_PACKET_SIZE = 63;
export const MAX_PACKET_SIZE = 1280;

export const MASKING_IV_LENGTH = 16;
export const NONCE_LENGTH = 12;
export const ID_NONCE_LENGTH = 16;
/** r and s. */
export const ID_SIGNATURE_LENGTH = 64;

const PROTOCOL_ID = new TextEncoder().encode('discv5');
const VERSION = [0x00, 0x01] as const;
const FLAG = { message: 0, whoareyou: 1, handshake: 2 } as const;
/** Where the parts of a static header begin, and its length. */
const FLAG_AT = 8;
const NONCE_AT = 9;
const SIZE_AT = 21;
const STATIC_LENGTH = 23;
const WHOAREYOU_LENGTH = ID_NONCE_LENGTH + 8;
/** `authdata-head`: the source id, and one byte for the length of each of the signature and the key. */
const HEAD_LENGTH = ID_LENGTH + 2;
const PROOF_LENGTH = HEAD_LENGTH + ID_SIGNATURE_LENGTH + COMPRESSED_KEY_LENGTH;
/** Bytes of a message packet beside the plaintext. */
export const MESSAGE_OVERHEAD = MASKING_IV_LENGTH + STATIC_LENGTH + ID_LENGTH + GCM_TAG_LENGTH;

/** The longest plaintext of a packet, and the longest of one that has a handshake with the largest record in it. */
export const MAX_MESSAGE_LENGTH = MAX_PACKET_SIZE - MESSAGE_OVERHEAD;
export const MAX_FIRST_LENGTH =
  MAX_PACKET_SIZE - MASKING_IV_LENGTH - STATIC_LENGTH - PROOF_LENGTH - MAX_RECORD_SIZE - GCM_TAG_LENGTH;

/** What of a packet it takes to open its message. */
export interface OpenedPacket {
  /** 12 bytes. */
  readonly nonce: Uint8Array;
  /** `masking-iv || header`: what is authenticated. */
  readonly authData: Uint8Array;
  /** The ciphertext: a view of the packet. */
  readonly message: Uint8Array;
}

/** "Ordinary Message Packet (flag = 0)" */
export interface MessagePacket extends OpenedPacket {
  readonly kind: 'message';
  readonly srcId: Uint8Array;
}

/** "WHOAREYOU Packet (flag = 1)" */
export interface WhoareyouPacket {
  readonly kind: 'whoareyou';
  /** Of the packet that it answers. */
  readonly nonce: Uint8Array;
  /** 16 bytes. */
  readonly idNonce: Uint8Array;
  /** Sequence number of the record that the sender has of the recipient; 0 for none. */
  readonly enrSeq: bigint;
  /** `masking-iv || static-header || authdata`, what both sides derive keys from. */
  readonly challengeData: Uint8Array;
}

/** "Handshake Message Packet (flag = 2)" */
export interface HandshakePacket extends OpenedPacket {
  readonly kind: 'handshake';
  readonly srcId: Uint8Array;
  /** r and s. */
  readonly idSignature: Uint8Array;
  /** A compressed public key, 33 bytes, which need not be one. */
  readonly ephemeralKey: Uint8Array;
  /** The RLP of a record, which has not been verified. */
  readonly record: Uint8Array | undefined;
}

export type Packet = MessagePacket | WhoareyouPacket | HandshakePacket;

/**
 * Reads a packet as far as that takes no key. `undefined`: it is none that was masked for us, and may be of another protocol;
 * `malformed`: it is one, and wrong. All but `message` is memory of its own.
 */
export function unmask(packet: Uint8Array, localId: Uint8Array): Packet | 'malformed' | undefined {
  if (packet.length < MIN_PACKET_SIZE || packet.length > MAX_PACKET_SIZE) return undefined;
  const first = unmasked(
    packet,
    localId,
    Math.min(STATIC_LENGTH + ID_LENGTH, packet.length - MASKING_IV_LENGTH),
  );
  if (!isOfProtocol(first)) return undefined;
  const size = ((first[SIZE_AT] ?? 0) << 8) | (first[SIZE_AT + 1] ?? 0);
  const end = STATIC_LENGTH + size;
  if (MASKING_IV_LENGTH + end > packet.length) return 'malformed';
  const header = end <= first.length ? first.subarray(0, end) : unmasked(packet, localId, end);
  const authData = concatBytes(packet.subarray(0, MASKING_IV_LENGTH), header);
  const nonce = header.subarray(NONCE_AT, NONCE_AT + NONCE_LENGTH);
  const data = header.subarray(STATIC_LENGTH);
  const message = packet.subarray(MASKING_IV_LENGTH + end);
  switch (header[FLAG_AT]) {
    case FLAG.message:
      if (size !== ID_LENGTH) return 'malformed';
      return { kind: 'message', nonce, srcId: data, authData, message };
    case FLAG.whoareyou:
      if (size !== WHOAREYOU_LENGTH || message.length > 0) return 'malformed';
      return { kind: 'whoareyou', nonce, ...challengeOf(data), challengeData: authData };
    case FLAG.handshake: {
      const proof = proofOf(data);
      return proof === undefined ? 'malformed' : { kind: 'handshake', nonce, ...proof, authData, message };
    }
    default:
      return 'malformed';
  }
}

/** The first `length` bytes of the header. */
function unmasked(packet: Uint8Array, id: Uint8Array, length: number): Uint8Array {
  const iv = packet.subarray(0, MASKING_IV_LENGTH);
  const masked = packet.subarray(MASKING_IV_LENGTH, MASKING_IV_LENGTH + length);
  return aes128Ctr(maskingKey(id), iv, masked);
}

function maskingKey(id: Uint8Array): Uint8Array {
  return id.subarray(0, 16);
}

function isOfProtocol(header: Uint8Array): boolean {
  const { length } = PROTOCOL_ID;
  const isNamed = equalBytes(header.subarray(0, length), PROTOCOL_ID);
  return isNamed && header[length] === VERSION[0] && header[length + 1] === VERSION[1];
}

function challengeOf(data: Uint8Array): Pick<WhoareyouPacket, 'idNonce' | 'enrSeq'> {
  const enrSeq = new DataView(data.buffer, data.byteOffset).getBigUint64(ID_NONCE_LENGTH);
  return { idNonce: data.subarray(0, ID_NONCE_LENGTH), enrSeq };
}

/** Of the "v4" identity scheme, the only one: other lengths are those of others. */
function proofOf(
  data: Uint8Array,
): Pick<HandshakePacket, 'srcId' | 'idSignature' | 'ephemeralKey' | 'record'> | undefined {
  const [signatureLength, keyLength] = data.subarray(ID_LENGTH, HEAD_LENGTH);
  if (signatureLength !== ID_SIGNATURE_LENGTH || keyLength !== COMPRESSED_KEY_LENGTH) return undefined;
  if (data.length < PROOF_LENGTH || data.length > PROOF_LENGTH + MAX_RECORD_SIZE) return undefined;
  const keyAt = HEAD_LENGTH + ID_SIGNATURE_LENGTH;
  return {
    srcId: data.subarray(0, ID_LENGTH),
    idSignature: data.subarray(HEAD_LENGTH, keyAt),
    ephemeralKey: data.subarray(keyAt, PROOF_LENGTH),
    record: data.length === PROOF_LENGTH ? undefined : data.subarray(PROOF_LENGTH),
  };
}

/** The plaintext of a packet's message, in memory of its own; `undefined` if the key, of 16 bytes, is not that of the sender. */
export function openMessage(
  { nonce, authData, message }: OpenedPacket,
  key: Uint8Array,
): Uint8Array | undefined {
  return gcmOpen({ key, nonce, authData }, message);
}

/** What all packets have. */
interface Fields {
  /** Ids are 32 bytes. */
  readonly destId: Uint8Array;
  readonly nonce: Uint8Array;
  /** 16 random bytes. */
  readonly maskingIv: Uint8Array;
}

interface MessageFields extends Fields {
  readonly srcId: Uint8Array;
  /** 16 bytes. */
  readonly key: Uint8Array;
  /** Type and data. */
  readonly plaintext: Uint8Array;
}

/** A packet of somebody with a session. */
export function sealMessage({ srcId, key, plaintext, ...fields }: MessageFields): Uint8Array {
  const authData = headerOf('message', fields, srcId);
  return masked(fields.destId, authData, gcmSeal({ key, nonce: fields.nonce, authData }, plaintext));
}

/** A packet of somebody without one: `random` bytes are its message, which nobody can open. */
export function randomMessage({
  srcId,
  random,
  ...fields
}: Fields & { srcId: Uint8Array; random: Uint8Array }): Uint8Array {
  return masked(fields.destId, headerOf('message', fields, srcId), random);
}

/** Its `nonce` is that of the packet that is challenged. */
export function sealWhoareyou({
  idNonce,
  enrSeq,
  ...fields
}: Fields & Pick<WhoareyouPacket, 'idNonce' | 'enrSeq'>): {
  readonly packet: Uint8Array;
  readonly challengeData: Uint8Array;
} {
  const data = new Uint8Array(WHOAREYOU_LENGTH);
  data.set(idNonce);
  new DataView(data.buffer).setBigUint64(ID_NONCE_LENGTH, enrSeq);
  const challengeData = headerOf('whoareyou', fields, data);
  return { packet: masked(fields.destId, challengeData, EMPTY), challengeData };
}

export function sealHandshake({
  srcId,
  key,
  plaintext,
  idSignature,
  ephemeralKey,
  record,
  ...fields
}: MessageFields & Pick<HandshakePacket, 'idSignature' | 'ephemeralKey' | 'record'>): Uint8Array {
  const lengths = Uint8Array.of(idSignature.length, ephemeralKey.length);
  const data = concatBytes(srcId, lengths, idSignature, ephemeralKey, record ?? EMPTY);
  const authData = headerOf('handshake', fields, data);
  return masked(fields.destId, authData, gcmSeal({ key, nonce: fields.nonce, authData }, plaintext));
}

/** `masking-iv || static-header || authdata` */
function headerOf(kind: Packet['kind'], { maskingIv, nonce }: Fields, data: Uint8Array): Uint8Array {
  const header = new Uint8Array(MASKING_IV_LENGTH + STATIC_LENGTH + data.length);
  header.set(maskingIv);
  header.set(PROTOCOL_ID, MASKING_IV_LENGTH);
  header.set(VERSION, MASKING_IV_LENGTH + PROTOCOL_ID.length);
  header[MASKING_IV_LENGTH + FLAG_AT] = FLAG[kind];
  header.set(nonce, MASKING_IV_LENGTH + NONCE_AT);
  header.set([data.length >> 8, data.length & 0xff], MASKING_IV_LENGTH + SIZE_AT);
  header.set(data, MASKING_IV_LENGTH + STATIC_LENGTH);
  return header;
}

/** The packet of a header with its IV, and of a message. */
function masked(destId: Uint8Array, header: Uint8Array, message: Uint8Array): Uint8Array {
  const iv = header.subarray(0, MASKING_IV_LENGTH);
  return concatBytes(iv, aes128Ctr(maskingKey(destId), iv, header.subarray(MASKING_IV_LENGTH)), message);
}
