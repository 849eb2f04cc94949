/** What packets of discovery v5 are made of (discv5-wire.md, "Notation"; discv5-theory.md, "Handshake Steps"). */
import { checkBytes } from './checks.ts';
import {
  aes128GcmOpen,
  aes128GcmSeal,
  aes128Ctr as ctr,
  hkdfSha256 as hkdf,
  sha256 as sha,
} from './js/node.ts';

const AES_KEY_LENGTH = 16;
const CTR_IV_LENGTH = 16;
const GCM_NONCE_LENGTH = 12;
/** Bytes by which a sealed message is longer. */
export const GCM_TAG_LENGTH = 16;

/** AES-128-CTR, which encrypts and decrypts alike. @throws PeerlaneError `invalid-argument` */
export function aes128Ctr(key: Uint8Array, iv: Uint8Array, bytes: Uint8Array): Uint8Array {
  checkBytes(key, 'the key', AES_KEY_LENGTH);
  checkBytes(iv, 'the iv', CTR_IV_LENGTH);
  checkBytes(bytes, 'the bytes');
  return ctr(key, iv, bytes);
}

export interface GcmFields {
  /** 16 bytes. */
  readonly key: Uint8Array;
  /** 12 bytes; one that comes twice with a key gives both messages away. */
  readonly nonce: Uint8Array;
  /** Authenticated, but no part of the result. */
  readonly authData: Uint8Array;
}

function checkGcm({ key, nonce, authData }: GcmFields): void {
  checkBytes(key, 'the key', AES_KEY_LENGTH);
  checkBytes(nonce, 'the nonce', GCM_NONCE_LENGTH);
  checkBytes(authData, 'the authenticated data');
}

/** AES-128-GCM: the ciphertext and its tag. @throws PeerlaneError `invalid-argument` */
export function gcmSeal(fields: GcmFields, plaintext: Uint8Array): Uint8Array {
  checkGcm(fields);
  checkBytes(plaintext, 'the plaintext');
  const { key, nonce, authData } = fields;
  return aes128GcmSeal(key, nonce, plaintext, authData);
}

/** The plaintext of what `gcmSeal` gives; `undefined` when it was not sealed so. @throws PeerlaneError `invalid-argument` */
export function gcmOpen(fields: GcmFields, sealed: Uint8Array): Uint8Array | undefined {
  checkGcm(fields);
  checkBytes(sealed, 'the ciphertext');
  const { key, nonce, authData } = fields;
  return sealed.length < GCM_TAG_LENGTH ? undefined : aes128GcmOpen(key, nonce, sealed, authData);
}

/** HKDF with SHA-256 (RFC 5869): `length` bytes. @throws PeerlaneError `invalid-argument` */
export function hkdfSha256(
  secret: Uint8Array,
  salt: Uint8Array,
  info: Uint8Array,
  length: number,
): Uint8Array {
  checkBytes(secret, 'the secret');
  checkBytes(salt, 'the salt');
  checkBytes(info, 'the info');
  return hkdf(secret, salt, info, length);
}

/** SHA-256 of the concatenation of `parts`. @throws PeerlaneError `invalid-argument` */
export function sha256(...parts: readonly Uint8Array[]): Uint8Array {
  for (const part of parts) checkBytes(part, 'a part');
  return sha(...parts);
}
