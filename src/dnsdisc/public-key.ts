import { unlessError } from '../base/errors.ts';
import { COMPRESSED_KEY_LENGTH, decompressPublicKey as decompress } from '../crypto/index.ts';

export const COMPRESSED_LENGTH = COMPRESSED_KEY_LENGTH;

/** The 64-byte public key whose compressed form this is (SEC 1, section 2.3.4); `undefined` if it is none. */
export function decompressPublicKey(compressed: Uint8Array): Uint8Array | undefined {
  return unlessError(() => decompress(compressed), 'invalid-public-key');
}
