import { concatBytes } from '../base/bytes.ts';
import { isPeerlaneError } from '../base/errors.ts';
import { DIGEST_LENGTH, recover } from '../crypto/index.ts';

export const COMPRESSED_LENGTH = 33;

const ZERO = new Uint8Array(DIGEST_LENGTH);

/**
 * The 64-byte public key whose compressed form this is (SEC 1, section 2.3.4); `undefined` if it is none.
 *
 * Recovery (SEC 1, section 4.1.6) gives (sR - eG)/r, where R is the point with the x coordinate r: with the digest
 * e = 0 and s = r that is R itself. So the backends need no other call for it.
 */
export function decompressPublicKey(compressed: Uint8Array): Uint8Array | undefined {
  const parity = compressed[0];
  if (compressed.length !== COMPRESSED_LENGTH || (parity !== 2 && parity !== 3)) return undefined;
  const x = compressed.subarray(1);
  try {
    return recover(ZERO, concatBytes(x, x, Uint8Array.of(parity - 2)));
  } catch (error) {
    if (isPeerlaneError(error, 'invalid-signature')) return undefined;
    throw error;
  }
}
