/** AES-128, SHA-256 and HKDF, as discovery v5 uses them: the checked face, as in `crypto.ts`. */
import { PeerlaneError } from '../base/errors.ts';
import { GCM_TAG_LENGTH } from './backend.ts';
import { checkBytes, checkOwnBytes, lengthOf } from './checks.ts';
import { hkdfSha256 as hkdf, sha256 as sha256Of } from './js/node.ts';
import { backend } from './load.ts';

const AES_KEY_LENGTH = 16;
const IV_LENGTH = 16;
const GCM_NONCE_LENGTH = 12;
/** RFC 5869, section 2.3. */
const MAX_HKDF_LENGTH = 255 * 32;

/**
 * AES-128-CTR of a whole message, which encrypts and decrypts alike. Returns new bytes.
 * @param iv the initial counter, 16 bytes
 * @throws PeerlaneError `invalid-argument`
 */
export function aes128Ctr(key: Uint8Array, iv: Uint8Array, message: Uint8Array): Uint8Array {
  checkBytes(key, 'the key', AES_KEY_LENGTH);
  checkBytes(iv, 'the iv', IV_LENGTH);
  checkOwnBytes(message, 'the message');
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
  checkOwnBytes(plaintext, 'the plaintext');
  checkOwnBytes(authData, 'the authenticated data');
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
  checkOwnBytes(sealed, 'the ciphertext');
  checkOwnBytes(authData, 'the authenticated data');
  return lengthOf(sealed) < GCM_TAG_LENGTH ? undefined : backend.gcmOpen(key, nonce, sealed, authData);
}

/** SHA-256 of the concatenation of `parts`. @throws PeerlaneError `invalid-argument` */
export function sha256(...parts: readonly Uint8Array[]): Uint8Array {
  for (const part of parts) checkBytes(part, 'a part');
  return sha256Of(...parts);
}

/**
 * HKDF with HMAC-SHA-256 (RFC 5869), both steps.
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
  if (!Number.isInteger(length) || length < 0 || length > MAX_HKDF_LENGTH) {
    throw new PeerlaneError('invalid-argument', `the length is not an integer from 0 to ${MAX_HKDF_LENGTH}`);
  }
  return hkdf(secret, salt, info, length);
}
