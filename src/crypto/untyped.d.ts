// The parts in use of packages that come without types. They appear in no signature that is published.

declare module 'keccak/lib/keccak.js' {
  export default class KeccakState {
    /** The 1600 bits as 50 little-endian 32-bit words. */
    readonly state: number[];
    /** `rate` and `capacity` in bits. */
    initialize(rate: number, capacity: number): void;
    absorb(data: Uint8Array): void;
    /** Pads with the suffix of Keccak if that has not been done, and takes out `length` bytes. */
    squeeze(length: number): Uint8Array;
    /** Overwrites `destination` with this state. */
    copy(destination: KeccakState): void;
  }
}

declare module 'snappyjs/snappy_compressor.js' {
  export class SnappyCompressor {
    constructor(input: Uint8Array);
    /** Returns the length of the block written at the start of `out`. */
    compressToBuffer(out: Uint8Array): number;
  }
}
