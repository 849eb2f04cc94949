import type { ScannableStore } from '../../base/kv.ts';
import { nameOf, seqKeyOf } from './keys.ts';

const SEQ_LENGTH = 8;

/** The sequence numbers of the records of local nodes: beside the nodes that are known, and written at once. */
export class LocalSeqs {
  readonly #kv: ScannableStore;
  /** Writes, one after the other. */
  #writes: Promise<unknown> = Promise.resolve();

  constructor(kv: ScannableStore) {
    this.#kv = kv;
  }

  async get(id: Uint8Array): Promise<bigint | undefined> {
    const value = await this.#kv.get(seqKeyOf(nameOf(id)));
    return value?.length === SEQ_LENGTH ? viewOf(value).getBigUint64(0) : undefined;
  }

  /** Resolves when it has been written. */
  async store(id: Uint8Array, seq: bigint): Promise<void> {
    const value = new Uint8Array(SEQ_LENGTH);
    viewOf(value).setBigUint64(0, seq);
    const write = this.#writes.then(() => this.#kv.batch([{ key: seqKeyOf(nameOf(id)), value }]));
    this.#writes = write.catch(() => undefined);
    await write;
  }

  /** Resolves when nothing is being written any more. */
  async settled(): Promise<void> {
    await this.#writes;
  }
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}
