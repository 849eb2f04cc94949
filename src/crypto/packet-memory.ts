/** To make memory for each packet takes as long as to seal it; they are gone when they have been sent. */
const PACKETS_LENGTH = 16 * 1024;

/** Where packets are put one behind another. */
export class PacketMemory {
  #bytes = new Uint8Array(0);
  #filled = 0;

  /** Bytes of any content, in memory that they share with other packets. @param length at most 16 KiB */
  take(length: number): Uint8Array {
    if (this.#filled + length > this.#bytes.length) {
      this.#bytes = new Uint8Array(PACKETS_LENGTH);
      this.#filled = 0;
    }
    const packet = this.#bytes.subarray(this.#filled, this.#filled + length);
    this.#filled += length;
    return packet;
  }
}
