/** The memory of what was received, given back as soon as it is decoded. */
import { release } from '../base/release.ts';

/** What is smaller is left to the garbage collector. */
const WORTHWHILE = 16 * 1024;

interface Chunk {
  readonly bytes: Uint8Array;
  /** Where it ends in the stream. */
  readonly end: number;
  /** A message lies in it. */
  isKept: boolean;
}

/**
 * The chunks of one connection's stream that are not decoded. Left to the garbage collector, those of fifty busy peers
 * live long enough to be taken for old, and a full collection comes every few tens of milliseconds.
 */
export class Chunks {
  #chunks: Chunk[] = [];
  #arrived = 0;

  /** Has come, and is nobody else's. */
  push(bytes: Uint8Array): void {
    this.#arrived += bytes.length;
    if (bytes.length >= WORTHWHILE) this.#chunks.push({ bytes, end: this.#arrived, isKept: false });
  }

  /** A message was decoded that lies in this memory. */
  keep(memory: ArrayBufferLike | undefined): void {
    // A step of decoding takes its input from one chunk, and those before it are done with.
    const first = this.#chunks[0];
    if (first !== undefined && first.bytes.buffer === memory) first.isKept = true;
  }

  /** All is decoded but the last so many bytes. */
  decoded(pending: number): void {
    const consumed = this.#arrived - pending;
    for (let [first] = this.#chunks; first !== undefined && first.end <= consumed; [first] = this.#chunks) {
      if (!first.isKept) release(first.bytes);
      this.#chunks.shift();
    }
  }

  clear(): void {
    this.#chunks = [];
  }
}
