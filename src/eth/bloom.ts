import { keccak256Many } from '../crypto/index.ts';

export const BLOOM_LENGTH = 256;

/**
 * The bloom filter of `values`, which are the addresses and topics of logs: each sets three bits, at the low 11
 * bits of the first three pairs of bytes of its hash (Yellow Paper, section 4.4.1).
 */
export function bloomOf(values: readonly Uint8Array[]): Uint8Array {
  const bloom = new Uint8Array(BLOOM_LENGTH);
  if (values.length === 0) return bloom;
  const digests = keccak256Many(values);
  for (let start = 0; start < digests.length; start += 32) {
    for (let at = start; at < start + 6; at += 2) {
      const bit = (((digests[at] ?? 0) << 8) | (digests[at + 1] ?? 0)) & 0x7ff;
      const index = BLOOM_LENGTH - 1 - (bit >> 3);
      bloom[index] = (bloom[index] ?? 0) | (1 << (bit & 7));
    }
  }
  return bloom;
}
