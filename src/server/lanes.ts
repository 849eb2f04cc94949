import type { Env } from '../base/env.ts';
import { Slabs } from '../base/slabs.ts';
import { type Link, runSlice } from '../p2p/index.ts';

/**
 * Collects the links that have work within one turn of the event loop, and works them as one batch: one decode
 * call for what all sockets received, one encode call for what all connections want to send. When there is more than
 * a turn should take, the rest comes in the next ones, so that sockets are looked at in between.
 */
export class Lanes {
  readonly #env: Env;
  readonly #waiting = new Set<Link>();
  readonly #slabs = new Slabs();
  #scheduled = false;
  #turn: Promise<void> | undefined;
  #endTurn: () => void = () => undefined;

  constructor(env: Env) {
    this.#env = env;
  }

  schedule(link: Link): void {
    this.#waiting.add(link);
    this.#wake();
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
    runSlice(this.#waiting, this.#slabs);
    if (this.#waiting.size > 0) this.#wake();
    endTurn();
  }
}
