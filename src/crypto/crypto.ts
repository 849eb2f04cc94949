/**
 * The checked face of the backend: arguments are validated here, once for all backends, and what a backend
 * reports becomes a typed error. Keys, digests, signatures and the like may lie in memory that is shared with other
 * threads, since backends copy them first; bytes of any length may not.
 */
import { fromHex } from '../base/bytes.ts';
import type { Env } from '../base/env.ts';
import { PeerlaneError } from '../base/errors.ts';
import {
  COMPACT_SIGNATURE_LENGTH,
  COMPRESSED_KEY_LENGTH,
  ECIES_OVERHEAD,
  PUBLIC_KEY_LENGTH,
  SECRET_KEY_LENGTH,
  SIGNATURE_LENGTH,
} from './backend.ts';
import { checkBytes, checkObject, checkObjects, checkOwnBytes, isUint8Array, lengthOf } from './checks.ts';
import { equalConstantTime as equalInConstantTime } from './js/node.ts';
import { backend } from './load.ts';

export const DIGEST_LENGTH = 32;

/** The order of the group of secp256k1 (SEC 2, section 2.4.1), big-endian. */
const GROUP_ORDER = fromHex('fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141');

/** Draws for a secret key; a source that fails this often gives no random bytes. */
const MAX_KEY_DRAWS = 64;

function checkSecretKey(key: Uint8Array): Uint8Array {
  if (!isValidSecretKey(key)) {
    throw new PeerlaneError('invalid-secret-key', 'not a secret key of secp256k1: 32 bytes, 0 < key < order');
  }
  return checkBytes(key, 'the secret key');
}

/** Subtracts the group order, in time that does not depend on the bytes. Returns the last borrow: 1 if it is below. */
function subtractOrder(bytes: Uint8Array, difference: Uint8Array): number {
  let borrow = 0;
  for (let i = SECRET_KEY_LENGTH - 1; i >= 0; i--) {
    const digit = (bytes[i] ?? 0) - (GROUP_ORDER[i] ?? 0) - borrow;
    borrow = digit >>> 31;
    difference[i] = digit;
  }
  return borrow;
}

/** Keccak-256 of the concatenation of `parts`. */
export function keccak256(...parts: readonly Uint8Array[]): Uint8Array {
  for (const part of parts) checkBytes(part, 'a part');
  return backend.keccak256(...parts);
}

/** The Keccak-256 digests of all `inputs`, 32 bytes each, one after another. @throws PeerlaneError `invalid-argument` */
export function keccak256Many(inputs: readonly Uint8Array[]): Uint8Array {
  const checked = checkObjects(inputs, 'inputs');
  for (const input of checked) checkBytes(input, 'an input');
  const out = new Uint8Array(DIGEST_LENGTH * checked.length);
  backend.keccak256Many(checked, out);
  return out;
}

/** Whether `key` is 32 bytes, not zero, and below the group order. */
export function isValidSecretKey(key: Uint8Array): boolean {
  if (!isUint8Array(key) || lengthOf(key) !== SECRET_KEY_LENGTH) return false;
  let any = 0;
  for (let i = 0; i < SECRET_KEY_LENGTH; i++) any |= key[i] ?? 0;
  return any !== 0 && subtractOrder(key, new Uint8Array(SECRET_KEY_LENGTH)) === 1;
}

/**
 * A new secret key from the random bytes of `env`.
 * @throws PeerlaneError `invalid-argument` if `env` has none, `internal` if they are not random
 */
export function generateSecretKey(env: Pick<Env, 'randomBytes'>): Uint8Array {
  checkObject(env, 'env');
  if (typeof env.randomBytes !== 'function') {
    throw new PeerlaneError('invalid-argument', 'env.randomBytes is not a function');
  }
  for (let i = 0; i < MAX_KEY_DRAWS; i++) {
    const key = env.randomBytes(SECRET_KEY_LENGTH);
    if (isValidSecretKey(key)) return key;
  }
  throw new PeerlaneError('internal', 'the source of randomness gives no secret key');
}

/** The public key of a secret key: 64 bytes, x and y. @throws PeerlaneError `invalid-secret-key` */
export function publicKeyOf(secretKey: Uint8Array): Uint8Array {
  const publicKey = backend.publicKey(checkSecretKey(secretKey));
  if (publicKey === undefined)
    throw new PeerlaneError('invalid-secret-key', 'the secret key has no public key');
  return publicKey;
}

/**
 * The deterministic (RFC 6979) signature of a 32-byte digest: r, s (in the lower half) and the recovery id.
 * @throws PeerlaneError `invalid-argument` for the digest, `invalid-secret-key`
 */
export function sign(digest: Uint8Array, secretKey: Uint8Array): Uint8Array {
  checkBytes(digest, 'the digest', DIGEST_LENGTH);
  checkSecretKey(secretKey);
  // RFC 6979 (section 3.2 d) derives the nonce from the digest modulo the order; libsecp256k1 takes it as it is.
  const reduced = new Uint8Array(DIGEST_LENGTH);
  const below = subtractOrder(digest, reduced) === 1;
  const signature = backend.sign(below ? digest : reduced, secretKey);
  if (signature === undefined) throw new PeerlaneError('invalid-secret-key', 'the secret key does not sign');
  return signature;
}

/**
 * The public key behind a 65-byte signature of a 32-byte digest. s may lie in either half.
 * @throws PeerlaneError `invalid-argument` for the digest, `invalid-signature`
 */
export function recover(digest: Uint8Array, signature: Uint8Array): Uint8Array {
  checkBytes(digest, 'the digest', DIGEST_LENGTH);
  checkBytes(signature, 'the signature', SIGNATURE_LENGTH, 'invalid-signature');
  const recoveryId = signature[SIGNATURE_LENGTH - 1] ?? 0;
  const publicKey = recoveryId > 3 ? undefined : backend.recover(digest, signature);
  if (publicKey === undefined) throw new PeerlaneError('invalid-signature', 'no key gives this signature');
  return publicKey;
}

/**
 * The x coordinate, 32 bytes, of the point that both sides share.
 * @throws PeerlaneError `invalid-secret-key`, `invalid-public-key`
 */
export function ecdh(secretKey: Uint8Array, publicKey: Uint8Array): Uint8Array {
  checkSecretKey(secretKey);
  checkBytes(publicKey, 'the public key', PUBLIC_KEY_LENGTH, 'invalid-public-key');
  const shared = backend.ecdh(secretKey, publicKey);
  if (shared === undefined) throw new PeerlaneError('invalid-public-key', 'not a point of secp256k1');
  return shared;
}

/**
 * The point that both sides share, 33 bytes: 2 if its y is even, else 3, and its x coordinate.
 * @throws PeerlaneError `invalid-secret-key`, `invalid-public-key`
 */
export function sharedPoint(secretKey: Uint8Array, publicKey: Uint8Array): Uint8Array {
  checkSecretKey(secretKey);
  checkBytes(publicKey, 'the public key', PUBLIC_KEY_LENGTH, 'invalid-public-key');
  const point = backend.sharedPoint(secretKey, publicKey);
  if (point === undefined) throw new PeerlaneError('invalid-public-key', 'not a point of secp256k1');
  return point;
}

/**
 * Whether a 64-byte signature, r and s, of a 32-byte digest is that of a 64-byte public key. One with s in the upper half of
 * the order is refused, so that nobody but the signer can give it a second form; and no signature is that of a key that is
 * not on the curve.
 * @throws PeerlaneError for what has another length: `invalid-argument` (the digest), `invalid-signature`, `invalid-public-key`
 */
export function verify(digest: Uint8Array, signature: Uint8Array, publicKey: Uint8Array): boolean {
  checkBytes(digest, 'the digest', DIGEST_LENGTH);
  checkBytes(signature, 'the signature', COMPACT_SIGNATURE_LENGTH, 'invalid-signature');
  checkBytes(publicKey, 'the public key', PUBLIC_KEY_LENGTH, 'invalid-public-key');
  return backend.verify(digest, signature, publicKey);
}

/** The 64-byte form of a 33-byte public key. @throws PeerlaneError `invalid-public-key` */
export function decompressPublicKey(compressed: Uint8Array): Uint8Array {
  checkBytes(compressed, 'the public key', COMPRESSED_KEY_LENGTH, 'invalid-public-key');
  const publicKey = backend.decompress(compressed);
  if (publicKey === undefined) throw new PeerlaneError('invalid-public-key', 'not a point of secp256k1');
  return publicKey;
}

export interface EciesEncryptOptions {
  /** Of the recipient, 64 bytes. */
  readonly publicKey: Uint8Array;
  /** A secret key to be used once, 32 bytes. */
  readonly ephemeralKey: Uint8Array;
  /** 16 random bytes. */
  readonly iv: Uint8Array;
  readonly plaintext: Uint8Array;
  /** Authenticated, but no part of the result. */
  readonly authData: Uint8Array;
}

/**
 * Encrypts as rlpx.md, "ECIES Encryption", says: `R || iv || c || d`, `ECIES_OVERHEAD` bytes more than the
 * plaintext.
 * @throws PeerlaneError `invalid-argument`, `invalid-secret-key`, `invalid-public-key`
 */
export function eciesEncrypt(options: EciesEncryptOptions): Uint8Array {
  checkObject(options, 'options');
  const { publicKey, ephemeralKey, iv, plaintext, authData } = options;
  checkBytes(publicKey, 'the public key', PUBLIC_KEY_LENGTH, 'invalid-public-key');
  checkSecretKey(ephemeralKey);
  checkBytes(iv, 'the iv', 16);
  checkOwnBytes(plaintext, 'the plaintext');
  checkBytes(authData, 'the authenticated data');
  const packet = backend.eciesEncrypt(publicKey, ephemeralKey, iv, plaintext, authData);
  if (packet === undefined) throw new PeerlaneError('invalid-public-key', 'not a point of secp256k1');
  return packet;
}

export interface EciesDecryptOptions {
  readonly secretKey: Uint8Array;
  /** `R || iv || c || d` */
  readonly packet: Uint8Array;
  readonly authData: Uint8Array;
}

/**
 * The plaintext of what `eciesEncrypt` gave.
 * @throws PeerlaneError `invalid-argument`, `invalid-secret-key`, `ecies-invalid`
 */
export function eciesDecrypt(options: EciesDecryptOptions): Uint8Array {
  checkObject(options, 'options');
  const { secretKey, packet, authData } = options;
  checkSecretKey(secretKey);
  checkOwnBytes(packet, 'the packet', undefined, 'ecies-invalid');
  checkBytes(authData, 'the authenticated data');
  const plaintext =
    packet.length < ECIES_OVERHEAD ? undefined : backend.eciesDecrypt(secretKey, packet, authData);
  if (plaintext === undefined) throw new PeerlaneError('ecies-invalid', 'the packet does not decrypt');
  return plaintext;
}

/** Whether both hold the same bytes, in a time that depends on their lengths only. */
export function equalConstantTime(a: Uint8Array, b: Uint8Array): boolean {
  return equalInConstantTime(checkBytes(a, 'a'), checkBytes(b, 'b'));
}
