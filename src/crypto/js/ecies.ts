/** ECIES of RLPx (rlpx.md, "ECIES Encryption"): `R || iv || c || d`. */
import { ECIES_OVERHEAD, PUBLIC_KEY_LENGTH } from '../backend.ts';
import { aes128Ctr, equalConstantTime, hmacSha256, sha256 } from './node.ts';
import { ecdh, publicKey as publicKeyOf } from './secp256k1.ts';

const POINT_PREFIX = 0x04;
const IV_START = 1 + PUBLIC_KEY_LENGTH;
const CIPHERTEXT_START = IV_START + 16;
const TAG_LENGTH = 32;
/** The counter of the one round that the concatenation KDF (NIST SP 800-56) takes for 32 bytes. */
const KDF_COUNTER = Uint8Array.of(0, 0, 0, 1);

interface Keys {
  readonly encryption: Uint8Array;
  readonly mac: Uint8Array;
}

function deriveKeys(shared: Uint8Array): Keys {
  const material = sha256(KDF_COUNTER, shared);
  return { encryption: material.subarray(0, 16), mac: sha256(material.subarray(16)) };
}

export function eciesEncrypt(
  publicKey: Uint8Array,
  ephemeralKey: Uint8Array,
  iv: Uint8Array,
  plaintext: Uint8Array,
  authData: Uint8Array,
): Uint8Array | undefined {
  const point = publicKeyOf(ephemeralKey);
  const shared = ecdh(ephemeralKey, publicKey);
  if (point === undefined || shared === undefined) return undefined;
  const keys = deriveKeys(shared);
  const tagStart = CIPHERTEXT_START + plaintext.length;
  const packet = new Uint8Array(ECIES_OVERHEAD + plaintext.length);
  packet[0] = POINT_PREFIX;
  packet.set(point, 1);
  packet.set(iv, IV_START);
  packet.set(aes128Ctr(keys.encryption, iv, plaintext), CIPHERTEXT_START);
  packet.set(hmacSha256(keys.mac, packet.subarray(IV_START, tagStart), authData), tagStart);
  return packet;
}

export function eciesDecrypt(
  secretKey: Uint8Array,
  packet: Uint8Array,
  authData: Uint8Array,
): Uint8Array | undefined {
  if (packet[0] !== POINT_PREFIX) return undefined;
  const shared = ecdh(secretKey, packet.subarray(1, IV_START));
  if (shared === undefined) return undefined;
  const keys = deriveKeys(shared);
  const tagStart = packet.length - TAG_LENGTH;
  const tag = hmacSha256(keys.mac, packet.subarray(IV_START, tagStart), authData);
  if (!equalConstantTime(tag, packet.subarray(tagStart))) return undefined;
  const iv = packet.subarray(IV_START, CIPHERTEXT_START);
  return aes128Ctr(keys.encryption, iv, packet.subarray(CIPHERTEXT_START, tagStart));
}
