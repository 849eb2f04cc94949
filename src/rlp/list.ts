import { PeerlaneError } from '../base/errors.ts';
import { Codec } from './codec.ts';
import { errorWithin, type Reader, rlpError } from './reader.ts';
import { headerLength, type Writer } from './writer.ts';

/** Where the elements of a decoded list lie, and how they are decoded. */
interface Elements<T> {
  readonly codec: Codec<T, never>;
  readonly reader: Reader;
  /** The list with its header, its payload, and the end of both. */
  readonly start: number;
  readonly payload: number;
  readonly end: number;
  /** Levels of lists that an element may enter. */
  readonly depth: number;
  /** The field of a struct that the list is, for messages. */
  readonly name: string;
}

/** Decodes the element whose header was just read. */
function decodeElement<T>({ codec, reader, depth, name }: Elements<T>, index: number): T {
  try {
    return codec.decodeItem(reader, depth);
  } catch (error) {
    throw errorWithin(`${name}[${index}]`, error);
  }
}

/** By hand, as a generator takes several times as long. */
class ListIterator<T> implements IterableIterator<T> {
  readonly #elements: Elements<T>;
  #at: number;
  #index = 0;

  constructor(elements: Elements<T>) {
    this.#elements = elements;
    this.#at = elements.payload;
  }

  next(): IteratorResult<T, undefined> {
    const { reader, end } = this.#elements;
    if (this.#at >= end) return { done: true, value: undefined };
    reader.readHeader(this.#at, end);
    this.#at = reader.end;
    return { done: false, value: decodeElement(this.#elements, this.#index++) };
  }

  [Symbol.iterator](): this {
    return this;
  }
}

/**
 * A decoded list whose elements are decoded when asked for, each time anew. That the elements are whole items
 * was checked when the list was decoded; what they hold is checked when they are looked at, so `at`, iteration
 * and `toArray` throw what `decode` would. `check` looks at all of them.
 */
export class RlpList<T> implements Iterable<T> {
  /** Number of elements. */
  readonly length: number;
  readonly #elements: Elements<T>;
  /** Where each element starts; found when one is first asked for by its index. */
  #starts: Uint32Array | undefined;

  /** Made by `decode`; not to be called otherwise. @internal */
  constructor(elements: Elements<T>, length: number) {
    this.#elements = elements;
    this.length = length;
  }

  /** The whole list, header included: a view. */
  get encoded(): Uint8Array {
    const { reader, start, end } = this.#elements;
    return reader.view(start, end);
  }

  /**
   * The element `index`, decoded.
   * @throws PeerlaneError `invalid-argument` when there is no such element, and what its codec throws
   */
  at(index: number): T {
    this.#readHeaderOf(index);
    return decodeElement(this.#elements, index);
  }

  /** The encoding of element `index`, header included: a view. @throws PeerlaneError `invalid-argument` */
  encodedAt(index: number): Uint8Array {
    this.#readHeaderOf(index);
    const { reader } = this.#elements;
    return reader.view(reader.start, reader.end);
  }

  /** All elements, decoded. */
  toArray(): T[] {
    return Array.from(this);
  }

  /** Decodes every element and drops it: throws if any is invalid. Returns the list. */
  check(): this {
    for (const _ of this);
    return this;
  }

  [Symbol.iterator](): IterableIterator<T> {
    return new ListIterator(this.#elements);
  }

  #readHeaderOf(index: number): void {
    this.#starts ??= findStarts(this.#elements, this.length);
    const start = this.#starts[index];
    if (start === undefined) {
      throw new PeerlaneError('invalid-argument', `no element ${index} in a list of ${this.length}`);
    }
    this.#elements.reader.readHeader(start, this.#elements.end);
  }
}

function findStarts({ reader, payload, end }: Elements<unknown>, length: number): Uint32Array {
  const starts = new Uint32Array(length);
  let at = payload;
  for (let i = 0; i < length; i++) {
    starts[i] = at;
    reader.readHeader(at, end);
    at = reader.end;
  }
  return starts;
}

export interface ListOptions {
  /** Fewest elements; default 0. */
  readonly min?: number;
  /** Most elements; default: no bound but the size of the input. */
  readonly max?: number;
}

class ListCodec<T, I> extends Codec<RlpList<T>, RlpList<T> | readonly I[]> {
  readonly #item: Codec<T, I>;
  readonly #min: number;
  readonly #max: number;
  readonly #name: string;

  constructor(item: Codec<T, I>, min: number, max: number, name: string) {
    super();
    this.#item = item;
    this.#min = min;
    this.#max = max;
    this.#name = name;
  }

  decodeItem(reader: Reader, depth: number): RlpList<T> {
    enterList(reader, depth);
    const { start, payload, end } = reader;
    let length = 0;
    for (let at = payload; at < end; at = reader.end) {
      reader.readHeader(at, end);
      if (++length > this.#max) {
        throw rlpError('rlp-unexpected', `more than ${this.#max} elements`, start);
      }
    }
    if (length < this.#min) {
      throw rlpError('rlp-unexpected', `${length} elements, at least ${this.#min} expected`, start);
    }
    const elements = { codec: this.#item, reader, start, payload, end, depth: depth - 1, name: this.#name };
    return new RlpList(elements, length);
  }

  measure(writer: Writer, value: RlpList<T> | readonly I[]): number {
    if (!(value instanceof RlpList) && !Array.isArray(value)) {
      throw new PeerlaneError('invalid-argument', 'an array or an RlpList expected');
    }
    if (value.length < this.#min || value.length > this.#max) {
      const range = `${this.#min} to ${this.#max}`;
      throw new PeerlaneError('invalid-argument', `${range} elements expected, got ${value.length}`);
    }
    if (value instanceof RlpList) return value.encoded.length;
    const place = writer.reserveSize();
    let size = 0;
    let index = 0;
    try {
      for (const item of value as readonly I[]) {
        size += this.#item.measure(writer, item);
        index++;
      }
    } catch (error) {
      throw errorWithin(`[${index}]`, error);
    }
    writer.setSize(place, size);
    return headerLength(size) + size;
  }

  write(writer: Writer, value: RlpList<T> | readonly I[]): void {
    if (value instanceof RlpList) {
      writer.writeEncoded(value.encoded);
      return;
    }
    writer.writeListHeader();
    for (const item of value) this.#item.write(writer, item);
  }

  override named(name: string): Codec<RlpList<T>, RlpList<T> | readonly I[]> {
    return new ListCodec(this.#item, this.#min, this.#max, name);
  }
}

/** Checks that the item just read is a list that may be entered. */
export function enterList(reader: Reader, depth: number): void {
  if (!reader.isList) throw rlpError('rlp-unexpected', 'a list expected, found a byte string', reader.start);
  if (depth <= 0) throw rlpError('rlp-too-deep', 'lists are nested too deeply', reader.start);
}

/**
 * A list of items of one kind. Decoding scans the headers of its elements and nothing more; see `RlpList`.
 * Encoding takes an array, or an `RlpList` whose bytes are copied as they are.
 */
export function list<T, I>(
  item: Codec<T, I>,
  { min = 0, max = Number.POSITIVE_INFINITY }: ListOptions = {},
): Codec<RlpList<T>, RlpList<T> | readonly I[]> {
  return new ListCodec(item, min, max, '');
}
