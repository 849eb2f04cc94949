import { PeerlaneError } from '../base/errors.ts';
import { Codec } from './codec.ts';
import { enterList } from './list.ts';
import { errorWithin, type Reader, rlpError } from './reader.ts';
import { headerLength, type Writer } from './writer.ts';

/** A trailing field of a struct that may be absent: see `optional`. */
export class Optional<out T, in I = T> {
  readonly codec: Codec<T, I>;

  constructor(codec: Codec<T, I>) {
    this.codec = codec;
  }
}

export type StructFields = Readonly<Record<string, Codec<unknown, never> | Optional<unknown, never>>>;

type OptionalKeys<F> = { [K in keyof F]: F[K] extends Optional<unknown, never> ? K : never }[keyof F];

/** What decoding a struct with the fields `F` gives. */
export type StructValue<F> = {
  readonly [K in keyof F]: F[K] extends Optional<infer T, never>
    ? T | undefined
    : F[K] extends Codec<infer T, never>
      ? T
      : never;
};

type InputOf<C> = C extends Optional<unknown, infer I> ? I : C extends Codec<unknown, infer I> ? I : never;

/** What encoding a struct with the fields `F` takes. */
export type StructInput<F> = { readonly [K in Exclude<keyof F, OptionalKeys<F>>]: InputOf<F[K]> } & {
  readonly [K in OptionalKeys<F>]?: InputOf<F[K]> | undefined;
};

interface Field {
  readonly name: string;
  readonly codec: Codec<unknown, never>;
}

type Values = Record<string, unknown>;

/**
 * A constructor of plain objects. Each schema has its own, so that the engine keeps the shapes of different
 * schemas apart: filling such an object in a loop takes half the time of filling `{}` or a copy of a template.
 */
function plainConstructor(): new () => Values {
  function Value(): void {
    // The fields are added by the codec.
  }
  Value.prototype = Object.prototype;
  const plain: unknown = Value;
  return plain as new () => Values;
}

class StructCodec extends Codec<Values, Values> {
  readonly #fields: readonly Field[];
  readonly #required: number;
  readonly #ignoreTrailing: boolean;
  readonly #Value: new () => Values;

  constructor(fields: readonly Field[], required: number, ignoreTrailing: boolean) {
    super();
    this.#fields = fields;
    this.#required = required;
    this.#ignoreTrailing = ignoreTrailing;
    this.#Value = plainConstructor();
  }

  decodeItem(reader: Reader, depth: number): Values {
    enterList(reader, depth);
    const { start, payload, end } = reader;
    const values = new this.#Value();
    const fields = this.#fields;
    let at = payload;
    let read = 0;
    try {
      for (; read < fields.length && at < end; read++) {
        const field = fields[read] as Field;
        reader.readHeader(at, end);
        at = reader.end;
        values[field.name] = field.codec.decodeItem(reader, depth - 1);
      }
    } catch (error) {
      throw errorWithin(fields[read]?.name ?? '', error);
    }
    if (read < this.#required) {
      throw rlpError('rlp-unexpected', `${read} fields, at least ${this.#required} expected`, start);
    }
    for (let absent = read; absent < fields.length; absent++)
      values[(fields[absent] as Field).name] = undefined;
    if (at < end) this.#skipTrailing(reader, at, end);
    return values;
  }

  measure(writer: Writer, value: Values): number {
    if (typeof value !== 'object' || value === null) {
      throw new PeerlaneError('invalid-argument', 'an object expected');
    }
    const place = writer.reserveSize();
    const fields = this.#present(value);
    let size = 0;
    for (const { name, codec } of fields) {
      try {
        size += codec.measure(writer, value[name] as never);
      } catch (error) {
        throw errorWithin(name, error);
      }
    }
    writer.setSize(place, size);
    return headerLength(size) + size;
  }

  write(writer: Writer, value: Values): void {
    writer.writeListHeader();
    for (const { name, codec } of this.#present(value)) codec.write(writer, value[name] as never);
  }

  /** The fields to write: all up to the last optional one that has a value. */
  #present(value: Values): readonly Field[] {
    const fields = this.#fields;
    let count = fields.length;
    while (count > this.#required && value[(fields[count - 1] as Field).name] === undefined) count--;
    return count === fields.length ? fields : fields.slice(0, count);
  }

  #skipTrailing(reader: Reader, from: number, end: number): void {
    if (!this.#ignoreTrailing) {
      throw rlpError('rlp-unexpected', `more than ${this.#fields.length} fields`, from);
    }
    for (let at = from; at < end; at = reader.end) reader.readHeader(at, end);
  }
}

export interface StructOptions {
  /** Items after the last field: an error, or ignored as EIP-8 asks. Default `forbid`. */
  readonly trailing?: 'forbid' | 'ignore';
}

/**
 * A list whose elements are the named fields, in the order in which they are written here. Decoding gives a
 * plain object with all fields, each decoded; an absent optional field is undefined. Encoding takes an object
 * with these properties.
 * @throws PeerlaneError `invalid-argument` when a required field follows an optional one, or a name is a number
 */
export function struct<const F extends StructFields>(
  fields: F,
  { trailing = 'forbid' }: StructOptions = {},
): Codec<StructValue<F>, StructInput<F>> {
  const list: Field[] = [];
  let required = 0;
  for (const [name, field] of Object.entries(fields)) {
    // Integer keys of an object do not keep their place.
    if (/^\d+$/.test(name)) throw new PeerlaneError('invalid-argument', `a field cannot be named ${name}`);
    const isOptional = field instanceof Optional;
    if (!isOptional && required < list.length) {
      throw new PeerlaneError('invalid-argument', `the field ${name} follows an optional one`);
    }
    if (!isOptional) required++;
    list.push({ name, codec: (isOptional ? field.codec : field).named(name) });
  }
  const codec: Codec<unknown, never> = new StructCodec(list, required, trailing === 'ignore');
  return codec as Codec<StructValue<F>, StructInput<F>>;
}

/** A field that may be absent from the end of a struct, with all fields after it: its value or undefined. */
export function optional<T, I>(codec: Codec<T, I>): Optional<T, I> {
  return new Optional(codec);
}
