import { PeerlaneError } from '../base/errors.ts';
import { Codec } from './codec.ts';
import { type Reader, rlpError } from './reader.ts';
import { sizeOfBigUint, sizeOfBytes, sizeOfUint, type Writer } from './writer.ts';

/** An item that is taken as it is: its own header is checked, what a list holds is not. */
export interface RlpItem {
  /** Header and payload: a view. */
  readonly encoded: Uint8Array;
  readonly isList: boolean;
  /** A view. */
  readonly payload: Uint8Array;
}

function expectBytes(reader: Reader, what: string): void {
  if (reader.isList) throw rlpError('rlp-unexpected', `${what} expected, found a list`, reader.start);
}

/** Checks that the item is an integer in canonical form of at most `bits` bits. */
function expectInteger(reader: Reader, bits: number): void {
  expectBytes(reader, 'an integer');
  const { bytes, payload, end } = reader;
  if (payload === end) return;
  const first = bytes[payload] ?? 0;
  if (first === 0) throw rlpError('rlp-non-canonical', 'an integer has a leading zero byte', reader.start);
  const width = (end - payload - 1) * 8 + 32 - Math.clz32(first);
  if (width > bits) {
    throw rlpError(
      'rlp-unexpected',
      `an integer of ${width} bits, at most ${bits} are allowed`,
      reader.start,
    );
  }
}

const MAX_BITS = 65_536;

function checkBits(bits: number, max: number): void {
  if (!Number.isInteger(bits) || bits < 1 || bits > max) {
    throw new PeerlaneError('invalid-argument', `a width of 1 to ${max} bits expected, got ${bits}`);
  }
}

class UintCodec extends Codec<number> {
  readonly #bits: number;
  readonly #max: number;

  constructor(bits: number) {
    super();
    checkBits(bits, 53);
    this.#bits = bits;
    this.#max = 2 ** bits - 1;
  }

  decodeItem(reader: Reader): number {
    expectInteger(reader, this.#bits);
    return readNumber(reader.bytes, reader.payload, reader.end);
  }

  measure(_writer: Writer, value: number): number {
    if (!Number.isInteger(value) || value < 0 || value > this.#max) {
      throw new PeerlaneError(
        'invalid-argument',
        `an unsigned integer of ${this.#bits} bits expected, got ${value}`,
      );
    }
    return sizeOfUint(value);
  }

  write(writer: Writer, value: number): void {
    writer.writeUint(value);
  }
}

class BigUintCodec extends Codec<bigint> {
  readonly #bits: number;
  readonly #limit: bigint;

  constructor(bits: number) {
    super();
    checkBits(bits, MAX_BITS);
    this.#bits = bits;
    this.#limit = 1n << BigInt(bits);
  }

  decodeItem(reader: Reader): bigint {
    expectInteger(reader, this.#bits);
    return readBigUint(reader.bytes, reader.payload, reader.end);
  }

  measure(_writer: Writer, value: bigint): number {
    if (typeof value !== 'bigint' || value < 0n || value >= this.#limit) {
      throw new PeerlaneError(
        'invalid-argument',
        `an unsigned bigint of ${this.#bits} bits expected, got ${value}`,
      );
    }
    return sizeOfBigUint(value);
  }

  write(writer: Writer, value: bigint): void {
    writer.writeBigUint(value);
  }
}

const word = new DataView(new ArrayBuffer(8));

/** Big-endian bytes as a bigint, eight bytes at a time: five times as fast as by way of hexadecimal. */
function readBigUint(bytes: Uint8Array, start: number, end: number): bigint {
  const length = end - start;
  if (length <= 6) return BigInt(readNumber(bytes, start, end));
  let at = start + (length & 7);
  let value = at === start ? 0n : readWord(bytes, start, at);
  for (; at < end; at += 8) value = (value << 64n) | readWord(bytes, at, at + 8);
  return value;
}

/** At most 8 bytes. */
function readWord(bytes: Uint8Array, start: number, end: number): bigint {
  const middle = Math.max(start, end - 4);
  word.setUint32(0, readNumber(bytes, start, middle));
  word.setUint32(4, readNumber(bytes, middle, end));
  return word.getBigUint64(0);
}

/** At most 6 bytes, or the 7 of an integer of 53 bits. */
function readNumber(bytes: Uint8Array, start: number, end: number): number {
  let value = 0;
  for (let i = start; i < end; i++) value = value * 256 + (bytes[i] ?? 0);
  return value;
}

class BoolCodec extends Codec<boolean> {
  decodeItem(reader: Reader): boolean {
    expectInteger(reader, 1);
    return reader.payload < reader.end;
  }

  measure(): number {
    return 1;
  }

  write(writer: Writer, value: boolean): void {
    writer.writeUint(value ? 1 : 0);
  }
}

class BytesCodec extends Codec<Uint8Array> {
  readonly #min: number;
  readonly #max: number;

  constructor(min: number, max: number) {
    super();
    this.#min = min;
    this.#max = max;
  }

  decodeItem(reader: Reader): Uint8Array {
    expectBytes(reader, 'a byte string');
    const length = reader.end - reader.payload;
    if (length < this.#min || length > this.#max) {
      throw rlpError('rlp-unexpected', `${this.#expectation()}, found ${length}`, reader.start);
    }
    return reader.view(reader.payload, reader.end);
  }

  measure(_writer: Writer, value: Uint8Array): number {
    if (!(value instanceof Uint8Array)) throw new PeerlaneError('invalid-argument', 'a Uint8Array expected');
    if (value.length < this.#min || value.length > this.#max) {
      throw new PeerlaneError('invalid-argument', `${this.#expectation()}, got ${value.length}`);
    }
    return sizeOfBytes(value);
  }

  write(writer: Writer, value: Uint8Array): void {
    writer.writeBytes(value);
  }

  #expectation(): string {
    const range = this.#min === this.#max ? `${this.#min}` : `${this.#min} to ${this.#max}`;
    return `${range} bytes expected`;
  }
}

class UintBytesCodec extends Codec<Uint8Array> {
  readonly #bits: number;

  constructor(bits: number) {
    super();
    checkBits(bits, MAX_BITS);
    this.#bits = bits;
  }

  decodeItem(reader: Reader): Uint8Array {
    expectInteger(reader, this.#bits);
    return reader.view(reader.payload, reader.end);
  }

  measure(_writer: Writer, value: Uint8Array): number {
    if (!(value instanceof Uint8Array)) throw new PeerlaneError('invalid-argument', 'a Uint8Array expected');
    const first = value[0] ?? 1;
    if (first === 0 || value.length * 8 - Math.clz32(first) + 24 > this.#bits) {
      const what = `an integer of at most ${this.#bits} bits without leading zero bytes expected`;
      throw new PeerlaneError('invalid-argument', what);
    }
    return sizeOfBytes(value);
  }

  write(writer: Writer, value: Uint8Array): void {
    writer.writeBytes(value);
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const toUtf8 = new TextEncoder();

class TextCodec extends Codec<string> {
  readonly #maxBytes: number;

  constructor(maxBytes: number) {
    super();
    this.#maxBytes = maxBytes;
  }

  decodeItem(reader: Reader): string {
    expectBytes(reader, 'a text');
    const { start, payload, end } = reader;
    if (end - payload > this.#maxBytes) {
      throw rlpError('rlp-unexpected', `a text of at most ${this.#maxBytes} bytes expected`, start);
    }
    try {
      return utf8.decode(reader.view(payload, end));
    } catch {
      throw rlpError('rlp-unexpected', 'a text is not valid UTF-8', start);
    }
  }

  measure(writer: Writer, value: string): number {
    if (typeof value !== 'string') throw new PeerlaneError('invalid-argument', 'a string expected');
    const encoded = toUtf8.encode(value);
    if (encoded.length > this.#maxBytes) {
      throw new PeerlaneError('invalid-argument', `a text of at most ${this.#maxBytes} bytes expected`);
    }
    writer.keepValue(encoded);
    return sizeOfBytes(encoded);
  }

  write(writer: Writer): void {
    writer.writeBytes(writer.takeValue() as Uint8Array);
  }
}

class RawCodec extends Codec<RlpItem, Pick<RlpItem, 'encoded'>> {
  decodeItem(reader: Reader): RlpItem {
    const { start, payload, end, isList } = reader;
    return { encoded: reader.view(start, end), isList, payload: reader.view(payload, end) };
  }

  measure(_writer: Writer, value: Pick<RlpItem, 'encoded'>): number {
    if (!(value?.encoded instanceof Uint8Array) || value.encoded.length === 0) {
      throw new PeerlaneError('invalid-argument', 'an encoded item expected');
    }
    return value.encoded.length;
  }

  write(writer: Writer, value: Pick<RlpItem, 'encoded'>): void {
    writer.writeEncoded(value.encoded);
  }
}

/**
 * An unsigned integer of at most `bits` (1 to 53) bits, as a number: big-endian without leading zeros, zero is
 * the empty string.
 */
export function uint(bits: number): Codec<number> {
  return new UintCodec(bits);
}

/** An unsigned integer of at most `bits` bits, as a bigint. */
export function bigUint(bits: number): Codec<bigint> {
  return new BigUintCodec(bits);
}

/**
 * An unsigned integer of at most `bits` bits, left as its big-endian bytes without leading zeros: a view, like
 * those of `bytes`. For integers that are only compared or passed on, as r and s of a signature: a bigint of 32
 * bytes costs as much as the rest of a transaction's fields together.
 */
export function uintBytes(bits: number): Codec<Uint8Array> {
  return new UintBytesCodec(bits);
}

/**
 * A byte string: of exactly `length` bytes, within bounds, or of any length. Decoding gives a view that shares
 * the memory of the input, and keeps it alive; `.slice()` copies.
 */
export function bytes(
  length: number | { readonly min?: number; readonly max?: number } = {},
): Codec<Uint8Array> {
  if (typeof length === 'number') return new BytesCodec(length, length);
  return new BytesCodec(length.min ?? 0, length.max ?? Number.POSITIVE_INFINITY);
}

/**
 * A text of at most `maxBytes` bytes of valid UTF-8. Encoding writes lone surrogates as U+FFFD.
 */
export function text(maxBytes: number): Codec<string> {
  return new TextCodec(maxBytes);
}

/** 0x01 is true, 0x80 (zero) is false, anything else an error. */
export const bool: Codec<boolean> = new BoolCodec();

/**
 * Any item, taken without looking into it: of a list only the own header is checked. `checkWellFormed` checks
 * the rest. Encoding copies `encoded` as it is.
 */
export const raw: Codec<RlpItem, Pick<RlpItem, 'encoded'>> = new RawCodec();
