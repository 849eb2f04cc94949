/**
 * AES-128, SHA-256 and HKDF, as discovery v5 uses them: the checked face, as in `crypto.ts`. All bytes may lie in shared
 * memory; a message that another thread changes meanwhile is sealed in some state of it, or opens as none.
 */
import { PeerlaneError } from '../base/errors.ts';
import { GCM_TAG_LENGTH } from './backend.ts';
import { checkBytes, lengthOf } from './checks.ts';
import { backend } from './load.ts';

const AES_KEY_LENGTH = 16;
const IV_LENGTH = 16;
const GCM_NONCE_LENGTH = 12;
/** RFC 5869, section 2.3. */
const MAX_HKDF_LENGTH = 255 * 32;
/** What Node.js takes. */
const MAX_HKDF_INFO = 1024;

/**
 * AES-128-CTR of a whole message, which encrypts and decrypts alike. Returns new bytes.
 * @param iv the initial counter, 16 bytes
 * @throws PeerlaneError `invalid-argument`
 */
export function aes128Ctr(key: Uint8Array, iv: Uint8Array, message: Uint8Array): Uint8Array {
  checkBytes(key, 'the key', AES_KEY_LENGTH);
  checkBytes(iv, 'the iv', IV_LENGTH);
  checkBytes(message, 'the message');
  return backend.aes128Ctr(key, iv, message);
}

/**
 * AES-128-GCM: the ciphertext, and behind it the tag of 16 bytes. A nonce is good for one message of a key.
 * @param nonce 12 bytes
 * @throws PeerlaneError `invalid-argument`
 */
export function gcmSeal(
  key: Uint8Array,
  nonce: Uint8Array,
  plaintext: Uint8Array,
  authData: Uint8Array,
): Uint8Array {
  checkBytes(key, 'the key', AES_KEY_LENGTH);
  checkBytes(nonce, 'the nonce', GCM_NONCE_LENGTH);
  checkBytes(plaintext, 'the plaintext');
  checkBytes(authData, 'the authenticated data');
  return backend.gcmSeal(key, nonce, plaintext, authData);
}

/**
 * The plaintext of what `gcmSeal` gave; `undefined` if the tag is wrong, or there is not even one.
 * @throws PeerlaneError `invalid-argument`
 */
export function gcmOpen(
  key: Uint8Array,
  nonce: Uint8Array,
  sealed: Uint8Array,
  authData: Uint8Array,
): Uint8Array | undefined {
  checkBytes(key, 'the key', AES_KEY_LENGTH);
  checkBytes(nonce, 'the nonce', GCM_NONCE_LENGTH);
  checkBytes(sealed, 'the ciphertext');
  checkBytes(authData, 'the authenticated data');
  return lengthOf(sealed) < GCM_TAG_LENGTH ? undefined : backend.gcmOpen(key, nonce, sealed, authData);
}

/** Of a node id. */
const ID_LENGTH = 32;
const IV_AND_STATIC_HEADER = 16 + 23;
/** More than any packet has. */
const MAX_PACKET = 2048;

function checkAtMost(length: number): void {
  if (length > MAX_PACKET)
    throw new PeerlaneError('invalid-argument', `no packet has more than ${MAX_PACKET} bytes`);
}

/**
 * A packet of discovery v5 (discv5-wire.md, "Packet Encoding"). It may share its memory with others, so that one that is kept
 * keeps up to 16 KiB.
 * @param destId of the recipient, 32 bytes
 * @param key 16 bytes
 * @param head masking-iv || header, at least 39 bytes, in which the nonce is
 * @param plaintext up to 2,048 bytes with `head`
 * @throws PeerlaneError `invalid-argument`
 */
export function sealPacket(
  destId: Uint8Array,
  key: Uint8Array,
  head: Uint8Array,
  plaintext: Uint8Array,
): Uint8Array {
  checkBytes(destId, 'the id', ID_LENGTH);
  checkBytes(key, 'the key', AES_KEY_LENGTH);
  checkBytes(head, 'the header');
  checkBytes(plaintext, 'the plaintext');
  if (lengthOf(head) < IV_AND_STATIC_HEADER)
    throw new PeerlaneError('invalid-argument', 'the header is not whole');
  checkAtMost(lengthOf(head) + lengthOf(plaintext));
  return backend.sealPacket(destId, key, head, plaintext);
}

/**
 * The first `end` bytes of a packet, with the header unmasked. Returns new bytes.
 * @param localId of the recipient, 32 bytes
 * @param packet of at most 2,048 bytes
 * @param end at least 16
 * @throws PeerlaneError `invalid-argument`
 */
export function unmaskPacket(localId: Uint8Array, packet: Uint8Array, end: number): Uint8Array {
  checkBytes(localId, 'the id', ID_LENGTH);
  checkBytes(packet, 'the packet');
  checkAtMost(lengthOf(packet));
  if (!(Number.isInteger(end) && end >= IV_LENGTH && end <= lengthOf(packet)))
    throw new PeerlaneError('invalid-argument', 'the end does not lie in the packet');
  return backend.unmask(localId, packet, end);
}

/** SHA-256 of the concatenation of `parts`. @throws PeerlaneError `invalid-argument` */
export function sha256(...parts: readonly Uint8Array[]): Uint8Array {
  for (const part of parts) checkBytes(part, 'a part');
  return backend.sha256(...parts);
}

/**
 * HKDF with HMAC-SHA-256 (RFC 5869), both steps.
 * @param info of at most 1,024 bytes
 * @param length of the result in bytes, at most 8,160
 * @throws PeerlaneError `invalid-argument`
 */
export function hkdfSha256(
  secret: Uint8Array,
  salt: Uint8Array,
  info: Uint8Array,
  length: number,
): Uint8Array {
  checkBytes(secret, 'the secret');
  checkBytes(salt, 'the salt');
  checkBytes(info, 'the info');
  if (lengthOf(info) > MAX_HKDF_INFO)
    throw new PeerlaneError('invalid-argument', `the info is longer than ${MAX_HKDF_INFO} bytes`);
  if (!Number.isInteger(length) || length < 0 || length > MAX_HKDF_LENGTH) {
    throw new PeerlaneError('invalid-argument', `the length is not an integer from 0 to ${MAX_HKDF_LENGTH}`);
  }
  return backend.hkdfSha256(secret, salt, info, length);
}
