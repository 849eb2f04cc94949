/** Reads the fields of LevelDB's records: numbers of seven bits a byte, and bytes behind their length. */
export class Fields {
  readonly #bytes: Uint8Array;
  #at: number;

  constructor(bytes: Uint8Array, at = 0) {
    this.#bytes = bytes;
    this.#at = at;
  }

  get isMore(): boolean {
    return this.#at < this.#bytes.length;
  }

  /** The next one; undefined when there is none, or it is above 2^53 - 1. */
  number(): number | undefined {
    let value = 0;
    for (let unit = 1, i = 0; i < 10; unit *= 128, i++) {
      const byte = this.#bytes[this.#at++];
      if (byte === undefined) return undefined;
      value += (byte & 0x7f) * unit;
      if (byte < 0x80) return Number.isSafeInteger(value) ? value : undefined;
    }
    return undefined;
  }

  /** The next `length` ones, by default as many as the next number says; undefined when there are not so many. */
  bytes(length = this.number()): Uint8Array | undefined {
    if (length === undefined || length > this.#bytes.length - this.#at) return undefined;
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }
}
