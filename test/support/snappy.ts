import { compressSync } from 'snappy';

/** Compressed by Google's library, not by ours. */
export function snappyCompress(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(compressSync(Buffer.from(bytes)));
}
