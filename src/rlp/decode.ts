import { PeerlaneError } from '../base/errors.ts';
import type { Codec } from './codec.ts';
import { DEFAULT_MAX_DEPTH, DEFAULT_MAX_LENGTH, Reader, rlpError } from './reader.ts';

export interface DecodeOptions {
  /** Most levels of lists that are entered; default 32. */
  readonly maxDepth?: number;
  /** Largest item in bytes, header included; default 16 MiB. */
  readonly maxLength?: number;
}

/**
 * Decodes the one item that `bytes` consists of. Byte strings in the result are views of `bytes`, and lists
 * are decoded from it when they are looked at: it must not change as long as the result is in use.
 * @throws PeerlaneError `rlp-truncated`, `rlp-trailing-bytes`, `rlp-non-canonical`, `rlp-too-deep`,
 * `rlp-too-large`, `rlp-unexpected`; the message names the field
 */
export function decode<T>(codec: Codec<T, never>, bytes: Uint8Array, options: DecodeOptions = {}): T {
  const reader = readerOf(bytes, options);
  readTop(reader, 0);
  if (reader.end < bytes.length) {
    throw rlpError('rlp-trailing-bytes', `${bytes.length - reader.end} bytes follow the item`, reader.end);
  }
  return codec.decodeItem(reader, options.maxDepth ?? DEFAULT_MAX_DEPTH);
}

/**
 * Decodes the item that starts at `offset` of a series of items; `end` is where the next one starts.
 * @throws PeerlaneError as `decode`, but for `rlp-trailing-bytes`
 */
export function decodePrefix<T>(
  codec: Codec<T, never>,
  bytes: Uint8Array,
  offset = 0,
  options: DecodeOptions = {},
): { value: T; end: number } {
  if (!Number.isInteger(offset) || offset < 0) {
    throw new PeerlaneError('invalid-argument', `not an offset: ${offset}`);
  }
  const reader = readerOf(bytes, options);
  readTop(reader, offset);
  const { end } = reader;
  return { value: codec.decodeItem(reader, options.maxDepth ?? DEFAULT_MAX_DEPTH), end };
}

/**
 * Checks the structure of the item that `bytes` consists of at every level: headers are canonical, and the
 * items of each list fill it. Takes no stack, so that nesting cannot overflow it.
 * @throws PeerlaneError `rlp-truncated`, `rlp-trailing-bytes`, `rlp-non-canonical`, `rlp-too-deep`,
 * `rlp-too-large`
 */
export function checkWellFormed(bytes: Uint8Array, options: DecodeOptions = {}): void {
  const { maxDepth = DEFAULT_MAX_DEPTH } = options;
  const reader = readerOf(bytes, options);
  readTop(reader, 0);
  if (reader.end < bytes.length) {
    throw rlpError('rlp-trailing-bytes', `${bytes.length - reader.end} bytes follow the item`, reader.end);
  }
  const ends: number[] = [];
  let limit = bytes.length;
  for (;;) {
    let at = reader.end;
    if (reader.isList) {
      if (ends.length >= maxDepth)
        throw rlpError('rlp-too-deep', 'lists are nested too deeply', reader.start);
      ends.push(limit);
      limit = reader.end;
      at = reader.payload;
    }
    while (at === limit) {
      const outer = ends.pop();
      if (outer === undefined) return;
      limit = outer;
    }
    reader.readHeader(at, limit);
  }
}

function readerOf(bytes: Uint8Array, { maxLength = DEFAULT_MAX_LENGTH }: DecodeOptions): Reader {
  if (!(bytes instanceof Uint8Array))
    throw new PeerlaneError('invalid-argument', 'the input is no Uint8Array');
  return new Reader(bytes, maxLength);
}

function readTop(reader: Reader, offset: number): void {
  reader.readHeader(offset, reader.bytes.length);
  const size = reader.end - reader.start;
  if (size > reader.maxLength) {
    throw rlpError(
      'rlp-too-large',
      `an item of ${size} bytes, over the limit of ${reader.maxLength}`,
      offset,
    );
  }
}
