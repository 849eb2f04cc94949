import { EMPTY } from '../base/bytes.ts';
import { PeerlaneError } from '../base/errors.ts';

/** Number of bytes of the big-endian form of `value`, at least 1. */
function byteLength(value: number): number {
  let length = 1;
  for (let rest = value; rest >= 256; rest = Math.floor(rest / 256)) length++;
  return length;
}

/** Six bytes: as many as a number takes exactly. */
const LIMB = 0xffffffffffffn;

function bigByteLength(value: bigint): number {
  let length = 0;
  let rest = value;
  for (; rest > LIMB; rest >>= 48n) length += 6;
  return length + byteLength(Number(rest));
}

/** Length of the header of a payload of `size` bytes (single bytes below 0x80 have none: see `sizeOfBytes`). */
export function headerLength(size: number): number {
  return size < 56 ? 1 : 1 + byteLength(size);
}

/** Length of the encoding of a byte string. */
export function sizeOfBytes(bytes: Uint8Array): number {
  if (bytes.length === 1 && (bytes[0] ?? 0) < 0x80) return 1;
  return headerLength(bytes.length) + bytes.length;
}

/**
 * The state of one `encode`: a first pass measures, a second one writes into one buffer. What the first pass
 * finds out at a cost (sizes of lists, converted values) waits in queues for the second, so that nesting does
 * not make the work quadratic and conversions run once.
 */
export class Writer {
  #bytes = EMPTY;
  #at = 0;
  readonly #sizes: number[] = [];
  #nextSize = 0;
  readonly #values: unknown[] = [];
  #nextValue = 0;

  /** Reserves a place for the payload size of a list, to be filled by `setSize`. */
  reserveSize(): number {
    return this.#sizes.push(0) - 1;
  }

  setSize(place: number, size: number): void {
    this.#sizes[place] = size;
  }

  keepValue(value: unknown): void {
    this.#values.push(value);
  }

  /** The value that `keepValue` got, in the same order. */
  takeValue(): unknown {
    return this.#values[this.#nextValue++];
  }

  /** Allocates the output: the first pass is over. */
  begin(length: number): void {
    this.#bytes = new Uint8Array(length);
  }

  /** The output. */
  finish(): Uint8Array {
    if (this.#at !== this.#bytes.length) {
      throw new PeerlaneError('invalid-argument', 'a value changed while it was encoded');
    }
    return this.#bytes;
  }

  /** Writes the header of the next list, whose size the first pass left. */
  writeListHeader(): void {
    this.#writeHeader(0xc0, this.#sizes[this.#nextSize++] ?? 0);
  }

  writeBytes(bytes: Uint8Array): void {
    if (bytes.length !== 1 || (bytes[0] ?? 0) >= 0x80) this.#writeHeader(0x80, bytes.length);
    this.writeEncoded(bytes);
  }

  /** Copies bytes as they are. */
  writeEncoded(bytes: Uint8Array): void {
    if (this.#at + bytes.length > this.#bytes.length) {
      throw new PeerlaneError('invalid-argument', 'a value changed while it was encoded');
    }
    this.#bytes.set(bytes, this.#at);
    this.#at += bytes.length;
  }

  /** Writes a safe unsigned integer. */
  writeUint(value: number): void {
    if (value !== 0 && value < 0x80) {
      this.#bytes[this.#at++] = value;
      return;
    }
    const length = value === 0 ? 0 : byteLength(value);
    this.#bytes[this.#at++] = 0x80 + length;
    this.#writeBigEndian(value, length);
  }

  writeBigUint(value: bigint): void {
    if (value <= LIMB) {
      this.writeUint(Number(value));
      return;
    }
    const length = bigByteLength(value);
    this.#writeHeader(0x80, length);
    const start = this.#at;
    let rest = value;
    for (let end = start + length; end > start; end -= 6) {
      this.#at = Math.max(start, end - 6);
      this.#writeBigEndian(Number(rest & LIMB), end - this.#at);
      rest >>= 48n;
    }
    this.#at = start + length;
  }

  #writeHeader(base: number, size: number): void {
    if (size < 56) {
      this.#bytes[this.#at++] = base + size;
      return;
    }
    const length = byteLength(size);
    this.#bytes[this.#at++] = base + 55 + length;
    this.#writeBigEndian(size, length);
  }

  #writeBigEndian(value: number, length: number): void {
    let rest = value;
    for (let at = this.#at + length - 1; at >= this.#at; at--) {
      this.#bytes[at] = rest % 256;
      rest = Math.floor(rest / 256);
    }
    this.#at += length;
  }
}

/** Length of the encoding of a safe unsigned integer. */
export function sizeOfUint(value: number): number {
  return value < 0x80 ? 1 : 1 + byteLength(value);
}

/** Length of the encoding of an unsigned integer. */
export function sizeOfBigUint(value: bigint): number {
  if (value <= LIMB) return sizeOfUint(Number(value));
  const length = bigByteLength(value);
  return headerLength(length) + length;
}
