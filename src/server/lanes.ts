import type { Env } from '../base/env.ts';
import { type Link, runSlice } from '../p2p/index.ts';

/**
 * Collects the links that have work within one turn of the event loop, and works them as one batch: one decode
 * call for what all sockets received, one encode call for what all connections want to send. When there is more than
 * a turn should take, the rest comes in the next ones, so that sockets are looked at in between.
 */
export class Lanes {
  readonly #env: Env;
  readonly #waiting = new Set<Link>();
  #scheduled = false;

  constructor(env: Env) {
    this.#env = env;
  }

  schedule(link: Link): void {
    this.#waiting.add(link);
    this.#wake();
  }

  /** Resolves when what all links have to send now is with their sockets. */
  settled(): Promise<void> {
    const links = [...this.#waiting];
    let left = links.length;
    if (left === 0) return Promise.resolve();
    return new Promise((resolve) => {
      for (const { outbox } of links) {
        outbox.afterOutput(() => {
          if (--left === 0) resolve();
        });
      }
    });
  }

  #wake(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#env.setImmediate(() => {
      this.#scheduled = false;
      runSlice(this.#waiting);
      if (this.#waiting.size > 0) this.#wake();
    });
  }
}
