import { unwritten } from './bytes.ts';

/** Slabs are made in multiples of this, in bytes, so that one fits again. */
const STEP = 512 * 1024;
/** What is larger is not worth keeping. */
const MAX_KEPT = 2560 * 1024;
const KEPT = 2;

/** Memory that somebody may still read. */
export interface Lease {
  /** The bytes are not needed any more; called once by each who holds it. */
  release(): void;
}

/** A piece of memory that goes back to where it came from when all who hold it have let it go. */
export class Slab implements Lease {
  readonly bytes: Uint8Array;
  readonly #slabs: Slab[];
  #holders = 0;

  constructor(bytes: Uint8Array, slabs: Slab[]) {
    this.bytes = bytes;
    this.#slabs = slabs;
  }

  hold(): this {
    this.#holders++;
    return this;
  }

  release(): void {
    this.#holders--;
    if (this.#holders > 0 || this.bytes.length > MAX_KEPT || this.#slabs.length >= KEPT) return;
    this.#slabs.push(this);
  }
}

/**
 * Memory for what is written, handed on and forgotten in turn: made anew each time, a gigabyte of it a second makes the
 * garbage collector run without end.
 */
export class Slabs {
  readonly #free: Slab[] = [];

  /** At least so many bytes, with whatever is in them. The caller holds them. */
  take(length: number): Slab {
    const index = this.#free.findIndex(({ bytes }) => bytes.length >= length);
    const [found] = index < 0 ? [] : this.#free.splice(index, 1);
    const slab = found ?? new Slab(unwritten(Math.ceil(length / STEP) * STEP), this.#free);
    return slab.hold();
  }
}
