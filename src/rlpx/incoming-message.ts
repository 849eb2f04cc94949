import { uncompress } from '../crypto/index.ts';
import { giveBackMemory } from './body-memory.ts';

/** A message as it came off the wire; it is decompressed when somebody asks for the payload. */
export class IncomingMessage {
  readonly code: number;
  /** Length of the payload after decompression, in bytes. */
  readonly length: number;
  #memory: Uint8Array;
  #start: number;
  #end: number;
  #isCompressed: boolean;
  /** Nobody else looks into the memory, which goes back when the payload was decompressed. */
  #isOwn: boolean;
  #isDetached = false;

  /** @internal The payload of `length` bytes, or a block of it, is `memory[start..end)`. */
  constructor(
    code: number,
    length: number,
    memory: Uint8Array,
    start: number,
    end: number,
    isCompressed: boolean,
    isOwn: boolean,
  ) {
    this.code = code;
    this.length = length;
    this.#memory = memory;
    this.#start = start;
    this.#end = end;
    this.#isCompressed = isCompressed;
    this.#isOwn = isOwn;
  }

  /** Bytes that this message keeps in memory while nobody has asked for its payload. */
  get heldLength(): number {
    return this.#end - this.#start;
  }

  /** The memory that this message shares with others: a slab of payloads, or a chunk as it was received. */
  get shared(): ArrayBufferLike {
    return this.#memory.buffer;
  }

  /** Lets go of the shared memory, where the message is a small part of it. False when that was done before. */
  detach(): boolean {
    if (this.#isDetached) return false;
    this.#isDetached = true;
    // Own memory is hardly larger than what is in it.
    if (!this.#isOwn && 2 * this.heldLength < this.#memory.buffer.byteLength) {
      this.#hold(new Uint8Array(this.#view()));
    }
    return true;
  }

  /**
   * The same memory at each call, or other memory with the same bytes.
   * @throws PeerlaneError `snappy-invalid`
   */
  payload(): Uint8Array {
    if (!this.#isCompressed) return this.#view();
    const payload = uncompress(this.#view(), this.length);
    if (this.#isOwn) {
      giveBackMemory(this.#memory);
      this.#isOwn = false;
      this.#isCompressed = false;
      this.#hold(payload);
    }
    return payload;
  }

  #view(): Uint8Array {
    const { buffer, byteOffset } = this.#memory;
    return new Uint8Array(buffer, byteOffset + this.#start, this.#end - this.#start);
  }

  #hold(bytes: Uint8Array): void {
    this.#memory = bytes;
    this.#start = 0;
    this.#end = bytes.length;
  }
}
