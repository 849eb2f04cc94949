import { EMPTY } from '../base/bytes.ts';
import { type ErrorCode, PeerlaneError } from '../base/errors.ts';

/** Most levels of lists that are entered, unless the caller says otherwise. */
export const DEFAULT_MAX_DEPTH = 32;
/** Largest item in bytes, header included, unless the caller says otherwise: what an RLPx frame can carry. */
export const DEFAULT_MAX_LENGTH = 16 * 1024 * 1024;

/** An error about the input; `at` is where in it. */
export function rlpError(code: ErrorCode, problem: string, at: number): PeerlaneError {
  return new PeerlaneError(code, problem, { details: { offset: at } });
}

/**
 * `error` as seen from one level further out: its message starts with the path of the field, as in
 * `transactions[3].nonce: leading zero byte`. Errors that are not ours pass unchanged.
 */
export function errorWithin(segment: string, error: unknown): unknown {
  if (!(error instanceof PeerlaneError)) return error;
  const inner = error.details.path;
  const problem = typeof inner === 'string' ? error.message.slice(inner.length + 2) : error.message;
  const path = typeof inner === 'string' ? joinPath(segment, inner) : segment;
  const details = { ...error.details, path };
  return new PeerlaneError(error.code, `${path}: ${problem}`, { details, cause: error.cause });
}

function joinPath(outer: string, inner: string): string {
  return inner.startsWith('[') ? outer + inner : `${outer}.${inner}`;
}

/**
 * Reads item headers of one input (yellow paper, appendix B). The fields describe the item that `readHeader`
 * looked at last and hold only until its next call: a codec keeps what it needs in locals before it decodes
 * anything nested.
 */
export class Reader {
  readonly bytes: Uint8Array;
  readonly maxLength: number;
  isList = false;
  /** Where the item starts. */
  start = 0;
  /** Where its payload starts. */
  payload = 0;
  /** Where it ends. */
  end = 0;
  readonly #buffer: ArrayBufferLike;
  readonly #base: number;

  constructor(bytes: Uint8Array, maxLength: number) {
    this.bytes = bytes;
    this.maxLength = maxLength;
    this.#buffer = bytes.buffer;
    this.#base = bytes.byteOffset;
  }

  /**
   * Reads the header of the item at `at`, which must end by `limit`.
   * @throws PeerlaneError `rlp-truncated`, `rlp-non-canonical`, `rlp-too-large`
   */
  readHeader(at: number, limit: number): void {
    if (at >= limit) throw rlpError('rlp-truncated', 'an item is missing', at);
    const bytes = this.bytes;
    const first = bytes[at] ?? 0;
    this.start = at;
    if (first < 0x80) {
      this.isList = false;
      this.payload = at;
      this.end = at + 1;
      return;
    }
    this.isList = first >= 0xc0;
    const short = first - (this.isList ? 0xc0 : 0x80);
    if (short >= 56) {
      this.#readLongHeader(at, short - 55, limit);
      return;
    }
    this.payload = at + 1;
    this.end = at + 1 + short;
    if (this.end > limit) this.#throwTooLong(at, short);
    if (first === 0x81 && (bytes[at + 1] ?? 0) < 0x80) {
      throw rlpError('rlp-non-canonical', 'a byte below 0x80 has a header', at);
    }
  }

  /** A view of the input, always a plain `Uint8Array`, whatever subclass the input is of. */
  view(start: number, end: number): Uint8Array {
    return start === end ? EMPTY : new Uint8Array(this.#buffer, this.#base + start, end - start);
  }

  #readLongHeader(at: number, sizeBytes: number, limit: number): void {
    const payload = at + 1 + sizeBytes;
    if (payload > limit) throw rlpError('rlp-truncated', 'the size of an item is cut off', at);
    if (this.bytes[at + 1] === 0) throw rlpError('rlp-non-canonical', 'a size has a leading zero byte', at);
    // Sizes above 2^53 lose low bits here, and are far beyond any limit all the same.
    let size = 0;
    for (let i = at + 1; i < payload; i++) size = size * 256 + (this.bytes[i] ?? 0);
    if (size < 56) throw rlpError('rlp-non-canonical', 'a size below 56 is in the long form', at);
    if (payload + size > limit) this.#throwTooLong(at, size);
    this.payload = payload;
    this.end = payload + size;
  }

  #throwTooLong(at: number, size: number): never {
    if (size > this.maxLength) {
      throw rlpError(
        'rlp-too-large',
        `an item declares ${size} bytes, over the limit of ${this.maxLength}`,
        at,
      );
    }
    throw rlpError('rlp-truncated', `an item declares ${size} bytes, more than there are`, at);
  }
}
