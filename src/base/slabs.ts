import { unwritten } from './bytes.ts';

/** Slabs are made in multiples of this, in bytes, so that one fits again. */
const STEP = 512 * 1024;
/** What is larger is not worth keeping. */
const MAX_KEPT = 2560 * 1024;
const KEPT = 2;

/** Slabs that may be with slow readers at a time; more of them are not to be held on to. */
const MAX_LENT = 4;

/** Memory that somebody may still read. */
export interface Lease {
  /** Whether it may be held until later; else what is needed of it is to be copied at once. */
  readonly mayLinger: boolean;
  /** The bytes are not needed any more; called once by each who holds it. */
  release(): void;
}

/** A piece of memory that goes back to where it came from when all who hold it have let it go. */
export class Slab implements Lease {
  readonly bytes: Uint8Array;
  readonly #slabs: Slabs;
  #holders = 0;

  constructor(bytes: Uint8Array, slabs: Slabs) {
    this.bytes = bytes;
    this.#slabs = slabs;
  }

  get mayLinger(): boolean {
    return this.#slabs.lent <= MAX_LENT;
  }

  hold(): this {
    this.#holders++;
    return this;
  }

  release(): void {
    this.#holders--;
    if (this.#holders === 0) this.#slabs.giveBack(this);
  }
}

/**
 * Memory for what is written, handed on and forgotten in turn: made anew each time, a gigabyte of it a second makes the
 * garbage collector run without end.
 */
export class Slabs {
  readonly #free: Slab[] = [];
  #lent = 0;

  /** How many are with somebody. */
  get lent(): number {
    return this.#lent;
  }

  /** At least so many bytes, with whatever is in them. The caller holds them. */
  take(length: number): Slab {
    this.#lent++;
    const index = this.#free.findIndex(({ bytes }) => bytes.length >= length);
    const [found] = index < 0 ? [] : this.#free.splice(index, 1);
    const slab = found ?? new Slab(unwritten(Math.ceil(length / STEP) * STEP), this);
    return slab.hold();
  }

  /** @internal */
  giveBack(slab: Slab): void {
    this.#lent--;
    if (slab.bytes.length <= MAX_KEPT && this.#free.length < KEPT) this.#free.push(slab);
  }
}
