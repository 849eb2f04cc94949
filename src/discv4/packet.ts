/** The envelope of a packet: hash, signature, type, data (discv4.md, "Wire Protocol"). */
import { compareBytes, concatBytes, fromHex } from '../base/bytes.ts';
import { isPeerlaneError } from '../base/errors.ts';
import { DIGEST_LENGTH, keccak256, keccak256Many, recover, SIGNATURE_LENGTH, sign } from '../crypto/index.ts';

/** The longest packet that may be sent or is read, in bytes. */
export const MAX_PACKET_SIZE = 1280;
/** Hash and signature. */
export const HEAD_LENGTH = DIGEST_LENGTH + SIGNATURE_LENGTH;
/** A packet has a type and at least an empty list. */
export const MIN_PACKET_SIZE = HEAD_LENGTH + 2;

export const PACKET_TYPE = {
  ping: 0x01,
  pong: 0x02,
  findNode: 0x03,
  neighbors: 0x04,
  enrRequest: 0x05,
  enrResponse: 0x06,
} as const;

export type PacketName = keyof typeof PACKET_TYPE;

const NAMES: ReadonlyMap<number, PacketName> = new Map([
  [PACKET_TYPE.ping, 'ping'],
  [PACKET_TYPE.pong, 'pong'],
  [PACKET_TYPE.findNode, 'findNode'],
  [PACKET_TYPE.neighbors, 'neighbors'],
  [PACKET_TYPE.enrRequest, 'enrRequest'],
  [PACKET_TYPE.enrResponse, 'enrResponse'],
]);

/** Half of the group order of secp256k1 (SEC 2, section 2.4.1), rounded down. */
const HALF_ORDER = fromHex('7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0');

/** What the type byte says; `undefined` for a type that the protocol lacks, or no packet at all. */
export function packetName(packet: Uint8Array): PacketName | undefined {
  return NAMES.get(packet[HEAD_LENGTH] ?? 0);
}

/** Views of the parts of a packet. */
export const packetHash = (packet: Uint8Array): Uint8Array => packet.subarray(0, DIGEST_LENGTH);
export const packetData = (packet: Uint8Array): Uint8Array => packet.subarray(HEAD_LENGTH + 1);
const signatureOf = (packet: Uint8Array): Uint8Array => packet.subarray(DIGEST_LENGTH, HEAD_LENGTH);
const signedOf = (packet: Uint8Array): Uint8Array => packet.subarray(HEAD_LENGTH);

/**
 * Whether the bytes look like a packet of this protocol: size, type, and the hash, which is there to tell it from those
 * of others on the same port. Costs a digest, and says nothing of who made it.
 */
export function isPacket(packet: Uint8Array): boolean {
  if (packet.length < MIN_PACKET_SIZE || packet.length > MAX_PACKET_SIZE) return false;
  if (packetName(packet) === undefined) return false;
  return compareBytes(keccak256(packet.subarray(DIGEST_LENGTH)), packetHash(packet)) === 0;
}

/** Signs packets of one node, and finds out who signed those of others; a simulation puts something cheap in its place. */
export interface PacketCrypto {
  /** The 64-byte public key that signed each packet; `undefined` for one with a bad signature. */
  open(packets: readonly Uint8Array[]): readonly (Uint8Array | undefined)[];
  /** The packets, each from its type and data. */
  seal(contents: readonly Uint8Array[]): readonly Uint8Array[];
}

/** The cryptography of the protocol, for the node with this secret key. */
export function packetCrypto(secretKey: Uint8Array): PacketCrypto {
  return {
    open(packets) {
      const digests = keccak256Many(packets.map(signedOf));
      return packets.map((packet, i) =>
        signerOf(digests.subarray(DIGEST_LENGTH * i, DIGEST_LENGTH * (i + 1)), signatureOf(packet)),
      );
    },
    seal: (contents) => contents.map((content) => withHash(sign(keccak256(content), secretKey), content)),
  };
}

/** A packet from its parts, whatever the signature is. */
export function withHash(signature: Uint8Array, content: Uint8Array): Uint8Array {
  const hashed = concatBytes(signature, content);
  return concatBytes(keccak256(hashed), hashed);
}

/**
 * s above half of the order is refused as elsewhere in Ethereum: no client signs so, and whoever copied a packet could
 * else give it a second hash.
 */
function signerOf(digest: Uint8Array, signature: Uint8Array): Uint8Array | undefined {
  if (compareBytes(signature.subarray(32, 64), HALF_ORDER) > 0) return undefined;
  try {
    return recover(digest, signature);
  } catch (error) {
    if (isPeerlaneError(error, 'invalid-signature')) return undefined;
    throw error;
  }
}
