/** One change of a batch: a record written, or with `value` undefined deleted. */
export interface KvChange {
  readonly key: Uint8Array;
  readonly value: Uint8Array | undefined;
}

export interface KvEntry {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

/**
 * What a store keeps its records in. A batch is atomic: after a crash all of it is there or none of it, and a batch
 * is never there without those before it.
 */
export interface KeyValueStore {
  get(key: Uint8Array): Promise<Uint8Array | undefined>;
  getMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]>;
  batch(changes: readonly KvChange[]): Promise<void>;
  /**
   * Makes a store take changes again after one has failed; before reads that lead to a change, as these may fail too till
   * then. Without it there is nothing to be done.
   */
  restore?(): Promise<void>;
  /** Whether there is no record at all. */
  isEmpty(): Promise<boolean>;
  close(): Promise<void>;
}

/** A store whose records can be gone through. */
export interface ScannableStore extends KeyValueStore {
  /** All records in the order of their keys, up to `length` at a time; those that change meanwhile may be missed. */
  scan(length: number): AsyncIterable<readonly KvEntry[]>;
}

/** Records in memory: for simulations, and for what is not to be kept. */
export class MemoryKv implements ScannableStore {
  readonly #records = new Map<string, Uint8Array>();

  async get(key: Uint8Array): Promise<Uint8Array | undefined> {
    return this.#records.get(nameOf(key));
  }

  async getMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]> {
    return keys.map((key) => this.#records.get(nameOf(key)));
  }

  async batch(changes: readonly KvChange[]): Promise<void> {
    for (const { key, value } of changes) {
      if (value === undefined) this.#records.delete(nameOf(key));
      // Copied, because a value is often a view into a large message.
      else this.#records.set(nameOf(key), value.slice());
    }
  }

  async isEmpty(): Promise<boolean> {
    return this.#records.size === 0;
  }

  async *scan(length: number): AsyncGenerator<readonly KvEntry[], void, undefined> {
    // A name has one character for each byte, so names sort as keys do.
    const names = [...this.#records.keys()].sort();
    for (let at = 0; at < names.length; at += length) {
      const entries: KvEntry[] = [];
      for (const name of names.slice(at, at + length)) {
        const value = this.#records.get(name);
        if (value !== undefined) entries.push({ key: keyOf(name), value });
      }
      yield entries;
    }
  }

  async close(): Promise<void> {
    this.#records.clear();
  }
}

function nameOf(key: Uint8Array): string {
  let name = '';
  for (const byte of key) name += String.fromCharCode(byte);
  return name;
}

function keyOf(name: string): Uint8Array {
  return Uint8Array.from(name, (letter) => letter.charCodeAt(0));
}
