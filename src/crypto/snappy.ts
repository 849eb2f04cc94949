/** Snappy blocks (google/snappy, format_description.txt), with the caller's bound on what one may decode to. */
import { unwritten } from '../base/bytes.ts';
import { PeerlaneError } from '../base/errors.ts';
import { snappyBound } from './backend.ts';
import { checkOwnBytes } from './checks.ts';
import { declaredLength } from './js/snappy.ts';
import { backend } from './load.ts';

/** A block's densest element copies 64 bytes and takes 3. */
const MAX_COPY = 64;
const MIN_COPY_SIZE = 3;

function invalid(): PeerlaneError {
  return new PeerlaneError('snappy-invalid', 'not a snappy block');
}

/** The block that `bytes` compress to. */
export function compress(bytes: Uint8Array): Uint8Array {
  checkOwnBytes(bytes, 'the input');
  const out = unwritten(snappyBound(bytes.length));
  return out.slice(0, backend.snappyCompress(bytes, out));
}

/** The length that `block` declares for what it decodes to. @throws PeerlaneError `snappy-invalid` */
export function uncompressedLength(block: Uint8Array): number {
  const length = declaredLength(checkOwnBytes(block, 'the block'), 0, block.length);
  if (length < 0) throw invalid();
  return length;
}

/**
 * Decodes `block`, which must fill its declared length exactly. Nothing is allocated before that length was
 * found to be at most `maxLength` and within reach of a block of this size.
 * @throws PeerlaneError `snappy-too-large`, `snappy-invalid`
 */
export function uncompress(block: Uint8Array, maxLength: number): Uint8Array {
  const length = uncompressedLength(block);
  if (!(length <= maxLength)) {
    throw new PeerlaneError('snappy-too-large', `the block declares ${length} bytes, over ${maxLength}`, {
      details: { length, maxLength },
    });
  }
  if (length * MIN_COPY_SIZE > block.length * MAX_COPY) throw invalid();
  const out = unwritten(length);
  if (!backend.snappyUncompress(block, out)) throw invalid();
  return out;
}
