/** Node ids and the "v4" identity scheme (enr.md, '"v4" Identity Scheme'). */
import { compareBytes, concatBytes, toBareHex } from '../base/bytes.ts';
import { PeerlaneError, unlessError } from '../base/errors.ts';
import {
  COMPACT_SIGNATURE_LENGTH,
  decompressPublicKey,
  keccak256,
  PUBLIC_KEY_LENGTH,
  sign,
  verify,
} from '../crypto/index.ts';

/** Half of the group order of secp256k1 (SEC 2, section 2.4.1), rounded down. */
const HALF_ORDER = Uint8Array.from(
  [0x7fffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0x5d576e73, 0x57a4501d, 0xdfe92f46, 0x681b20a0].flatMap(
    (word) => [word >>> 24, (word >>> 16) & 0xff, (word >>> 8) & 0xff, word & 0xff],
  ),
);

/** Of the field of secp256k1 (SEC 2, section 2.4.1). */
const FIELD_PRIME = 2n ** 256n - 2n ** 32n - 977n;

/** The 32-byte address of a node in the Kademlia space: Keccak-256 of its 64-byte public key. */
export function nodeIdOf(publicKey: Uint8Array): Uint8Array {
  return keccak256(publicKey);
}

/** The 33-byte form of a 64-byte public key: the parity of y, then x. @throws PeerlaneError `invalid-public-key` for another length */
export function compressPublicKey(publicKey: Uint8Array): Uint8Array {
  if (!(publicKey instanceof Uint8Array) || publicKey.length !== PUBLIC_KEY_LENGTH) {
    throw new PeerlaneError(
      'invalid-public-key',
      `a public key is a Uint8Array of ${PUBLIC_KEY_LENGTH} bytes`,
    );
  }
  return concatBytes(Uint8Array.of(2 + ((publicKey[63] ?? 0) & 1)), publicKey.subarray(0, 32));
}

/** Whether the 64 bytes are a point on the curve. */
export function isPublicKey(publicKey: Uint8Array): boolean {
  if (!(publicKey instanceof Uint8Array) || publicKey.length !== PUBLIC_KEY_LENGTH) return false;
  // The backends say it only by multiplying the point, which takes far longer; lookups ask it of whatever others name.
  const digits = toBareHex(publicKey);
  const x = BigInt(`0x${digits.slice(0, PUBLIC_KEY_LENGTH)}`);
  const y = BigInt(`0x${digits.slice(PUBLIC_KEY_LENGTH)}`);
  return x < FIELD_PRIME && y < FIELD_PRIME && (y * y - x * x * x - 7n) % FIELD_PRIME === 0n;
}

/** Signs the RLP of `[seq, k, v, ...]`; 64 bytes. @throws PeerlaneError `invalid-secret-key` */
export function signContent(content: Uint8Array, secretKey: Uint8Array): Uint8Array {
  return sign(keccak256(content), secretKey).slice(0, COMPACT_SIGNATURE_LENGTH);
}

/**
 * The 64-byte public key whose compressed form is `compressed`, if it made `signature` over `content`. As
 * elsewhere in Ethereum, s above half of the order is refused, so that nobody but the signer can give a record a
 * second form.
 *
 * @throws PeerlaneError `invalid-record`
 */
export function verifyContent(
  content: Uint8Array,
  signature: Uint8Array,
  compressed: Uint8Array,
): Uint8Array {
  if (compareBytes(signature.subarray(32), HALF_ORDER) > 0) {
    throw new PeerlaneError('invalid-record', 'the signature has s above half of the group order');
  }
  const key = unlessError(() => decompressPublicKey(compressed), 'invalid-public-key');
  if (key !== undefined && verify(keccak256(content), signature, key)) return key;
  throw new PeerlaneError('invalid-record', 'the signature was not made by the key in the record');
}
