import KeccakState from 'keccak/lib/keccak.js';

const RATE_BITS = 1088;
const CAPACITY_BITS = 512;
const DIGEST_LENGTH = 32;

const scratch = new KeccakState();

function digest(parts: readonly Uint8Array[]): Uint8Array {
  scratch.initialize(RATE_BITS, CAPACITY_BITS);
  for (const part of parts) scratch.absorb(part);
  return scratch.squeeze(DIGEST_LENGTH);
}

export function keccak256(...parts: readonly Uint8Array[]): Uint8Array {
  // A copy, because squeeze returns a Buffer, whose slice() would be a view.
  return new Uint8Array(digest(parts));
}

export function keccak256Many(inputs: readonly Uint8Array[], out: Uint8Array): void {
  let at = 0;
  for (const input of inputs) {
    out.set(digest([input]), at);
    at += DIGEST_LENGTH;
  }
}

/** A Keccak-256 state that tells its digest and goes on absorbing. */
export class RunningKeccak {
  readonly #state = new KeccakState();

  constructor() {
    this.#state.initialize(RATE_BITS, CAPACITY_BITS);
  }

  absorb(bytes: Uint8Array): void {
    this.#state.absorb(bytes);
  }

  /** The first `length` bytes of the digest of all that was absorbed so far. */
  peek(length: number): Uint8Array {
    this.#state.copy(scratch);
    return scratch.squeeze(length);
  }

  wipe(): void {
    this.#state.state.fill(0);
    scratch.state.fill(0);
  }
}
