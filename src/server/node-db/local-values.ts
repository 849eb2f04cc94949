import type { ScannableStore } from '../../base/kv.ts';

/** What belongs to local nodes, beside the nodes that are known: written at once, one after the other. */
export class LocalValues {
  readonly #kv: ScannableStore;
  readonly #keyOf: (id: Uint8Array) => Uint8Array;
  #writes: Promise<unknown> = Promise.resolve();

  constructor(kv: ScannableStore, keyOf: (id: Uint8Array) => Uint8Array) {
    this.#kv = kv;
    this.#keyOf = keyOf;
  }

  async get(id: Uint8Array): Promise<Uint8Array | undefined> {
    return await this.#kv.get(this.#keyOf(id));
  }

  /** Resolves when it has been written. */
  async store(id: Uint8Array, value: Uint8Array): Promise<void> {
    const write = this.#writes.then(() => this.#kv.batch([{ key: this.#keyOf(id), value }]));
    this.#writes = write.catch(() => undefined);
    await write;
  }

  /** Resolves when nothing is being written any more. */
  async settled(): Promise<void> {
    await this.#writes;
  }
}
