import type { BudgetShare } from '../base/budget.ts';
import type { Env } from '../base/env.ts';
import { Slabs } from '../base/slabs.ts';
import { type BatchMemory, type LanesFilled, type Link, runSlice } from '../p2p/index.ts';

/**
 * Bytes that wait to be decoded, over all connections; with more of them sockets are read in turn. Enough for eight
 * messages of 100 KB side by side; what waits longer, the garbage collector takes for old.
 */
const READ_AHEAD = 1024 * 1024;
/** What one socket brings at once, about. */
const CHUNK = 64 * 1024;
/** Whoever brings no more than this at once need not wait: it costs little, and may be a Ping. */
const SPARSE_CHUNK = 4 * 1024;

/** Whose socket may be read on. */
export interface Reader {
  readOn(): void;
}

/**
 * Collects the links that have work within one turn of the event loop, and works them as one batch: one decode
 * call for what all sockets received, one encode call for what all connections want to send. When there is more than
 * a turn should take, the rest comes in the next ones, so that sockets are looked at in between.
 */
export class Lanes {
  readonly #env: Env;
  readonly #waiting = new Set<Link>();
  readonly #memory: BatchMemory;
  readonly #filled: LanesFilled | undefined;
  /** Who goes on reading when what has arrived is decoded, first come first. */
  readonly #readers = new Set<Reader>();
  #undecoded = 0;
  #scheduled = false;
  #turn: Promise<void> | undefined;
  #endTurn: () => void = () => undefined;

  /** @param blocks what compressed payloads are charged to that several connections send */
  constructor(env: Env, blocks: BudgetShare, filled?: LanesFilled) {
    this.#env = env;
    this.#filled = filled;
    this.#memory = { slabs: new Slabs(), blocks };
  }

  /** Connections that have something to do. */
  get size(): number {
    return this.#waiting.size;
  }

  schedule(link: Link): void {
    this.#waiting.add(link);
    this.#wake();
  }

  /**
   * Bytes have arrived for a connection. Gives whether its socket may be read on; if not, the reader is told when it
   * may: a system that reads all that is there from all sockets would keep whoever has little waiting.
   */
  received(length: number, reader: Reader): boolean {
    this.#undecoded += length;
    if (length <= SPARSE_CHUNK) return true;
    if (this.#undecoded < READ_AHEAD && this.#readers.size === 0) return true;
    this.#readers.add(reader);
    this.#wake();
    return false;
  }

  /** The connection of this reader is over. */
  leave(reader: Reader): void {
    this.#readers.delete(reader);
  }

  /** Resolves when the next slice has been worked, in the next turn of the event loop also if there is none. */
  turn(): Promise<void> {
    this.#turn ??= new Promise((resolve) => {
      this.#endTurn = resolve;
    });
    this.#wake();
    return this.#turn;
  }

  #wake(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#env.setImmediate(() => this.#run());
  }

  #run(): void {
    this.#scheduled = false;
    const endTurn = this.#endTurn;
    this.#turn = undefined;
    runSlice(this.#waiting, this.#memory, this.#filled);
    this.#readOn();
    if (this.#waiting.size > 0 || this.#readers.size > 0) this.#wake();
    endTurn();
  }

  #readOn(): void {
    this.#undecoded = 0;
    // Those whose handlers lag behind have their own bound, and keep nobody else from being read.
    for (const link of this.#waiting) if (link.decodable) this.#undecoded += link.undecodedLength;
    let room = READ_AHEAD - this.#undecoded;
    for (const reader of this.#readers) {
      if (room <= 0) return;
      room -= CHUNK;
      this.#readers.delete(reader);
      reader.readOn();
    }
  }
}
