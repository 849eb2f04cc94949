import { PeerlaneError } from './errors.ts';
import { release } from './release.ts';

export const EMPTY: Uint8Array = new Uint8Array(0);

/** Up to here the detour to memory as it is found takes longer than to clear it. */
const CLEARED_LENGTH = 4 * 1024;

/**
 * An array whose bytes may be left as they are found, for a caller that writes each before anybody reads it: to set a
 * large one to zero takes as long as to copy into it.
 */
export function unwritten(length: number): Uint8Array {
  if (length <= CLEARED_LENGTH) return new Uint8Array(length);
  return new Uint8Array(Buffer.allocUnsafeSlow(length).buffer);
}

/** Lower-case hexadecimal with a `0x` prefix. */
export function toHex(bytes: Uint8Array): string {
  return `0x${toBareHex(bytes)}`;
}

/** Ids, keys and digests are no longer than this: V8 keeps so many bytes inside the array, until its buffer is asked for. */
const SMALL_LENGTH = 64;
const small = Buffer.alloc(SMALL_LENGTH);

/** Lower-case hexadecimal without a prefix; one flat string, which a map of peers keeps for each of them. */
export function toBareHex(bytes: Uint8Array): string {
  return textOf(bytes, 'hex');
}

/** A character for each byte. */
export function toLatin1(bytes: Uint8Array): string {
  return textOf(bytes, 'latin1');
}

function textOf(bytes: Uint8Array, encoding: 'hex' | 'latin1'): string {
  const { length } = bytes;
  if (length > SMALL_LENGTH) return Buffer.from(bytes.buffer, bytes.byteOffset, length).toString(encoding);
  // Asking for the buffer would give a small array memory of its own, which takes three times as much, for all its life.
  small.set(bytes);
  const text = small.toString(encoding, 0, length);
  // It may have been a secret.
  small.fill(0, 0, length);
  return text;
}

/** Reads hexadecimal, with or without `0x`. @throws PeerlaneError `invalid-argument` */
export function fromHex(text: string): Uint8Array {
  const digits = text.startsWith('0x') || text.startsWith('0X') ? text.slice(2) : text;
  if (digits.length % 2 !== 0 || !/^[0-9a-fA-F]*$/.test(digits)) {
    throw new PeerlaneError('invalid-argument', 'not a hexadecimal string of whole bytes');
  }
  const bytes = new Uint8Array(digits.length / 2);
  for (let i = 0; i < bytes.length; i++) bytes[i] = Number.parseInt(digits.slice(2 * i, 2 * i + 2), 16);
  return bytes;
}

/** A new array with the bytes of all `parts`. */
export function concatBytes(...parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const joined = unwritten(length);
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}

/** Whether both hold the same bytes. Not constant-time: never for MACs or secrets. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** Negative, zero or positive, as `a` sorts before, with or after `b`. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

/** Chunks up to this are gathered in blocks when they have to wait: one of a byte costs some hundred to keep. */
const SMALL_CHUNK = 1024;
const BLOCK = 8 * 1024;
/** Pieces from this size on give back at once what they were put together from. */
const LARGE_PIECE = 128 * 1024;
/** What is taken of a longer chunk at once, unless more is needed: who takes it makes room for all that may come of it. */
const STEP = 16 * 1024;
/** A view that keeps more than so many times its own length alive is not kept. */
const WASTE = 4;

/**
 * Bytes that arrive in chunks and are taken out in pieces. A piece that lies within one chunk is a view of it;
 * only one that spans chunks is put together, once, so that reading a stream is linear in its bytes.
 */
export class ByteQueue {
  #chunks: Uint8Array[] = [];
  #head = 0;
  #length = 0;
  /** The block that is being filled, and how far; the last chunk is its filled end. */
  #block: Uint8Array | undefined;
  #filled = 0;

  /** Bytes that are waiting. */
  get length(): number {
    return this.#length;
  }

  /** The chunk becomes the queue's own. */
  push(chunk: Uint8Array): void {
    if (chunk.length === 0) return;
    this.#length += chunk.length;
    if (chunk.length > SMALL_CHUNK || this.#head === this.#chunks.length) {
      this.#chunks.push(chunk);
      this.#block = undefined;
    } else {
      this.#gather(chunk);
    }
  }

  #gather(chunk: Uint8Array): void {
    if (this.#block === undefined || this.#filled + chunk.length > this.#block.length) {
      this.#block = new Uint8Array(BLOCK);
      this.#filled = 0;
      this.#chunks.push(EMPTY);
    }
    this.#block.set(chunk, this.#filled);
    const last = this.#chunks.length - 1;
    const start = this.#filled - (this.#chunks[last] ?? EMPTY).length;
    this.#filled += chunk.length;
    this.#chunks[last] = this.#block.subarray(start, this.#filled);
  }

  /** Puts bytes back in front of what is waiting. The small rest of a large chunk is copied, to let go of that. */
  unshift(chunk: Uint8Array): void {
    if (chunk.length === 0) return;
    const next = this.#chunks[this.#head];
    if (next?.buffer === chunk.buffer && chunk.byteOffset + chunk.length === next.byteOffset) {
      this.#chunks[this.#head] = new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.length + next.length);
      this.#length += chunk.length;
      return;
    }
    const kept = WASTE * chunk.length < chunk.buffer.byteLength ? new Uint8Array(chunk) : chunk;
    if (this.#head > 0) this.#chunks[--this.#head] = kept;
    else this.#chunks.unshift(kept);
    this.#length += kept.length;
  }

  /** Takes exactly `length` bytes, or `undefined` while fewer are waiting. */
  take(length: number): Uint8Array | undefined {
    if (length > this.#length) return undefined;
    const first = this.#chunks[this.#head];
    if (length === 0 || first === undefined) return EMPTY;
    this.#length -= length;
    if (first.length >= length) {
      if (first.length === length) this.#advance();
      else this.#chunks[this.#head] = first.subarray(length);
      return first.length === length ? first : first.subarray(0, length);
    }
    const joined = unwritten(length);
    let at = 0;
    while (at < length) {
      const chunk = this.#chunks[this.#head] ?? EMPTY;
      const part = Math.min(chunk.length, length - at);
      joined.set(part === chunk.length ? chunk : chunk.subarray(0, part), at);
      at += part;
      if (part < chunk.length) this.#chunks[this.#head] = chunk.subarray(part);
      else {
        this.#advance();
        // Nobody has a view of a chunk that is whole: what is given out is cut off, or leaves the queue.
        if (length >= LARGE_PIECE) release(chunk);
      }
    }
    return joined;
  }

  /**
   * Takes exactly `length` bytes as they lie in the chunks, for whoever puts them together himself; `undefined` while
   * fewer are waiting.
   */
  takePieces(length: number): Uint8Array[] | undefined {
    if (length > this.#length) return undefined;
    const pieces: Uint8Array[] = [];
    for (let left = length; left > 0; ) {
      const part = Math.min(left, this.#chunks[this.#head]?.length ?? left);
      pieces.push(this.take(part) ?? EMPTY);
      left -= part;
    }
    return pieces;
  }

  /** Whether the next `length` bytes are all there, in several chunks. */
  isSplit(length: number): boolean {
    return length <= this.#length && length > (this.#chunks[this.#head]?.length ?? length);
  }

  /**
   * Takes at least `length` bytes, and some of what lies behind them in the same chunk: nothing is copied unless
   * the first chunk is too short. `undefined` while fewer are waiting.
   */
  takeAtLeast(length: number): Uint8Array | undefined {
    const first = this.#chunks[this.#head];
    if (first === undefined || first.length < length) return this.take(length);
    if (length <= STEP && 2 * STEP < first.length) return this.take(STEP);
    this.#length -= first.length;
    this.#advance();
    return first;
  }

  clear(): void {
    for (const chunk of this.#chunks.slice(this.#head)) release(chunk);
    this.#chunks = [];
    this.#head = 0;
    this.#length = 0;
    this.#block = undefined;
  }

  #advance(): void {
    this.#head++;
    if (this.#head === this.#chunks.length) {
      this.#chunks = [];
      this.#head = 0;
      this.#block = undefined;
    } else if (this.#head >= 1024) {
      this.#chunks = this.#chunks.slice(this.#head);
      this.#head = 0;
    }
  }
}
