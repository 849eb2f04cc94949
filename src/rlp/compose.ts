import { Codec } from './codec.ts';
import type { Reader } from './reader.ts';
import type { Writer } from './writer.ts';

class MappedCodec<A, AI, T, I> extends Codec<T, I> {
  readonly #codec: Codec<A, AI>;
  readonly #decode: (value: A) => T;
  readonly #encode: (value: I) => AI;

  constructor(codec: Codec<A, AI>, decode: (value: A) => T, encode: (value: I) => AI) {
    super();
    this.#codec = codec;
    this.#decode = decode;
    this.#encode = encode;
  }

  decodeItem(reader: Reader, depth: number): T {
    const decode = this.#decode;
    return decode(this.#codec.decodeItem(reader, depth));
  }

  measure(writer: Writer, value: I): number {
    const encode = this.#encode;
    const inner = encode(value);
    writer.keepValue(inner);
    return this.#codec.measure(writer, inner);
  }

  write(writer: Writer): void {
    this.#codec.write(writer, writer.takeValue() as AI);
  }
}

class EitherCodec<A, AI, B, BI> extends Codec<A | B, AI | BI> {
  readonly #bytes: Codec<A, AI>;
  readonly #list: Codec<B, BI>;
  readonly #isList: (value: AI | BI) => boolean;

  constructor(bytes: Codec<A, AI>, list: Codec<B, BI>, isList: (value: AI | BI) => boolean) {
    super();
    this.#bytes = bytes;
    this.#list = list;
    this.#isList = isList;
  }

  decodeItem(reader: Reader, depth: number): A | B {
    return reader.isList ? this.#list.decodeItem(reader, depth) : this.#bytes.decodeItem(reader, depth);
  }

  measure(writer: Writer, value: AI | BI): number {
    const isList = this.#isList;
    const asList = isList(value);
    writer.keepValue(asList);
    return asList ? this.#list.measure(writer, value as BI) : this.#bytes.measure(writer, value as AI);
  }

  write(writer: Writer, value: AI | BI): void {
    if (writer.takeValue() === true) this.#list.write(writer, value as BI);
    else this.#bytes.write(writer, value as AI);
  }
}

/** Whether a value would be written as a list: objects are, but for byte arrays. */
function looksLikeList(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !(value instanceof Uint8Array);
}

/**
 * `codec` with its values converted. `decodeFn` runs when the item is decoded and may throw a `PeerlaneError`
 * to reject it; `encodeFn` runs once for each encoding.
 */
export function mapped<A, AI, T, I = T>(
  codec: Codec<A, AI>,
  decodeFn: (value: A) => T,
  encodeFn: (value: I) => AI,
): Codec<T, I> {
  return new MappedCodec(codec, decodeFn, encodeFn);
}

/**
 * One of two codecs, chosen by whether the item is a byte string or a list. Encoding chooses by `isList`; by
 * default objects other than byte arrays go to `listCodec`, all else to `bytesCodec`.
 */
export function either<A, AI, B, BI>(
  bytesCodec: Codec<A, AI>,
  listCodec: Codec<B, BI>,
  isList: (value: AI | BI) => boolean = looksLikeList,
): Codec<A | B, AI | BI> {
  return new EitherCodec(bytesCodec, listCodec, isList);
}
