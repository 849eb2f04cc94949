import type { Reader } from './reader.ts';
import type { Writer } from './writer.ts';

/**
 * How one kind of item is read and written. `T` is what decoding gives, `I` what encoding takes. Codecs hold no
 * state and may be shared. The methods are the machinery behind `decode` and `encode`; own codecs are built
 * with `mapped`.
 */
export abstract class Codec<out T, in I = T> {
  /**
   * Decodes the item whose header `reader` has just read. `depth` is the number of levels of lists that may
   * still be entered.
   * @internal
   */
  abstract decodeItem(reader: Reader, depth: number): T;
  /** The length of the encoding of `value`; leaves in `writer` what `write` needs again. @internal */
  abstract measure(writer: Writer, value: I): number;
  /** Writes `value`, right after `measure` in the same order. @internal */
  abstract write(writer: Writer, value: I): void;
  /** This codec as the field `name` of a struct: a lazy one puts the name into its errors. @internal */
  named(_name: string): Codec<T, I> {
    return this;
  }
}

/** What decoding with the codec type `C` gives. */
export type Decoded<C> = C extends Codec<infer T, never> ? T : never;
/** What encoding with the codec type `C` takes. */
export type Encodable<C> = C extends Codec<unknown, infer I> ? I : never;
