/** The algorithms that Node.js brings along: AES, SHA-256, HMAC, and a comparison in constant time. */
import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  hkdfSync,
  timingSafeEqual,
} from 'node:crypto';
import { GCM_TAG_LENGTH } from '../backend.ts';

/** A cipher that turns bytes into as many bytes, going on where the last call ended. */
export interface ByteCipher {
  update(bytes: Uint8Array): Uint8Array;
}

const ZERO_IV = new Uint8Array(16);

/** The key stream of AES-256-CTR from an initial counter of zero; encrypts and decrypts alike. */
export function aes256CtrStream(key: Uint8Array): ByteCipher {
  return createCipheriv('aes-256-ctr', key, ZERO_IV);
}

/** AES-256 of single 16-byte blocks. */
export function aes256Block(key: Uint8Array): ByteCipher {
  return createCipheriv('aes-256-ecb', key, null).setAutoPadding(false);
}

/** AES-128-CTR of a whole message. Returns new bytes. */
export function aes128Ctr(key: Uint8Array, iv: Uint8Array, message: Uint8Array): Uint8Array {
  return new Uint8Array(createCipheriv('aes-128-ctr', key, iv).update(message));
}

/** The same, to where it is wanted. */
export function aes128CtrTo(out: Uint8Array, key: Uint8Array, iv: Uint8Array, message: Uint8Array): void {
  out.set(createCipheriv('aes-128-ctr', key, iv).update(message));
}

const GCM_OPTIONS = { authTagLength: GCM_TAG_LENGTH } as const;

/** The ciphertext and the tag. */
export function gcmSeal(
  key: Uint8Array,
  nonce: Uint8Array,
  plaintext: Uint8Array,
  authData: Uint8Array,
): Uint8Array {
  const sealed = new Uint8Array(plaintext.length + GCM_TAG_LENGTH);
  gcmSealTo(sealed, key, nonce, plaintext, authData);
  return sealed;
}

/** The same, to where they are wanted. */
export function gcmSealTo(
  out: Uint8Array,
  key: Uint8Array,
  nonce: Uint8Array,
  plaintext: Uint8Array,
  authData: Uint8Array,
): void {
  const cipher = createCipheriv('aes-128-gcm', key, nonce, GCM_OPTIONS);
  cipher.setAAD(authData);
  out.set(cipher.update(plaintext));
  cipher.final();
  out.set(cipher.getAuthTag(), plaintext.length);
}

/** The plaintext; `undefined` if the tag is wrong. */
export function gcmOpen(
  key: Uint8Array,
  nonce: Uint8Array,
  sealed: Uint8Array,
  authData: Uint8Array,
): Uint8Array | undefined {
  const end = sealed.length - GCM_TAG_LENGTH;
  const decipher = createDecipheriv('aes-128-gcm', key, nonce, GCM_OPTIONS);
  decipher.setAAD(authData);
  decipher.setAuthTag(sealed.subarray(end));
  const plaintext = new Uint8Array(decipher.update(sealed.subarray(0, end)));
  try {
    // It throws for a wrong tag, and for nothing else.
    decipher.final();
    return plaintext;
  } catch {
    return undefined;
  }
}

/** HKDF with SHA-256 (RFC 5869). */
export function hkdfSha256(
  secret: Uint8Array,
  salt: Uint8Array,
  info: Uint8Array,
  length: number,
): Uint8Array {
  return new Uint8Array(hkdfSync('sha256', secret, salt, info, length));
}

/** SHA-256 of the concatenation of `parts`. */
export function sha256(...parts: readonly Uint8Array[]): Uint8Array {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return new Uint8Array(hash.digest());
}

/** HMAC-SHA-256 of the concatenation of `parts`. */
export function hmacSha256(key: Uint8Array, ...parts: readonly Uint8Array[]): Uint8Array {
  const hmac = createHmac('sha256', key);
  for (const part of parts) hmac.update(part);
  return new Uint8Array(hmac.digest());
}

/** Whether both hold the same bytes, in a time that depends on their lengths only. */
export function equalConstantTime(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}
