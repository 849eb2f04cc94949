/**
 * Snappy blocks (google/snappy, format_description.txt). The decoder is strict: a block that is accepted fills
 * its declared length exactly and has no byte too many.
 */
import { SnappyCompressor } from 'snappyjs/snappy_compressor.js';

/** Above this, copying with `set` beats a loop. */
const LONG_LITERAL = 32;

/** Compresses `input` into a block at the start of `out`; the length of the block. */
export function snappyCompress(input: Uint8Array, out: Uint8Array): number {
  return new SnappyCompressor(input).compressToBuffer(out);
}

/**
 * The decoded length that the block `input[at..end)` declares: a little-endian base-128 number of at most five
 * bytes and 32 bits. -1 if there is none.
 */
export function declaredLength(input: Uint8Array, at: number, end: number): number {
  let length = 0;
  let unit = 1;
  for (let i = 0; i < 5 && at + i < end; i++) {
    const byte = input[at + i] ?? 0;
    if (i === 4 && byte > 0x0f) return -1;
    length += (byte & 0x7f) * unit;
    if (byte < 0x80) return length;
    unit *= 0x80;
  }
  return -1;
}

/**
 * Uncompresses the block `input[at..end)`, whose declared length is valid, into `out[start..limit)`. Returns
 * whether the block is valid, declares `limit - start` bytes, and holds exactly those.
 */
export function uncompressInto(
  input: Uint8Array,
  at: number,
  end: number,
  out: Uint8Array,
  start: number,
  limit: number,
): boolean {
  if (declaredLength(input, at, end) !== limit - start) return false;
  let ip = at;
  while ((input[ip++] ?? 0) >= 0x80);
  let op = start;
  while (ip < end) {
    const tag = input[ip++] ?? 0;
    const kind = tag & 3;
    let length: number;
    if (kind === 0) {
      length = (tag >>> 2) + 1;
      if (length > 60) {
        const extra = length - 60;
        if (extra > end - ip) return false;
        length = 1;
        for (let i = 0, unit = 1; i < extra; i++, unit *= 256) length += (input[ip++] ?? 0) * unit;
      }
      if (length > end - ip || length > limit - op) return false;
      if (length > LONG_LITERAL) out.set(input.subarray(ip, ip + length), op);
      else for (let i = 0; i < length; i++) out[op + i] = input[ip + i] ?? 0;
      ip += length;
    } else {
      if (end - ip < (kind === 3 ? 4 : kind)) return false;
      let offset: number;
      if (kind === 1) {
        length = ((tag >>> 2) & 7) + 4;
        offset = ((tag >>> 5) << 8) | (input[ip] ?? 0);
        ip += 1;
      } else {
        length = (tag >>> 2) + 1;
        offset = (input[ip] ?? 0) | ((input[ip + 1] ?? 0) << 8);
        if (kind === 3) offset += (input[ip + 2] ?? 0) * 0x10000 + (input[ip + 3] ?? 0) * 0x1000000;
        ip += kind === 3 ? 4 : 2;
      }
      // Counted from this block's own start: what lies before it in `out` is another message.
      if (offset === 0 || offset > op - start || length > limit - op) return false;
      for (let i = 0; i < length; i++) out[op + i] = out[op + i - offset] ?? 0;
    }
    op += length;
  }
  return op === limit;
}

export function snappyUncompress(input: Uint8Array, out: Uint8Array): boolean {
  return uncompressInto(input, 0, input.length, out, 0, out.length);
}
