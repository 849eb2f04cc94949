/** What the parity tests share: the addon, if there is one, and byte helpers. */
import { loadNative } from '../../src/crypto/native.ts';

const loaded = loadNative();
export const native = 'backend' in loaded ? loaded.backend : undefined;
export const reason = 'reason' in loaded ? loaded.reason : '';

/** Comparing long arrays element by element is slow. */
export function hex(bytes: Uint8Array | undefined): string | undefined {
  return bytes === undefined ? undefined : Buffer.from(bytes).toString('hex');
}

/** A copy that starts in the midst of its buffer. */
export function shifted(bytes: Uint8Array, by = 3): Uint8Array {
  const buffer = new Uint8Array(bytes.length + by + 1);
  buffer.set(bytes, by);
  return buffer.subarray(by, by + bytes.length);
}
