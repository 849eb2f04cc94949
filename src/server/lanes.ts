import type { Env } from '../base/env.ts';
import { type Link, runLinks } from '../p2p/index.ts';

/**
 * Collects the links that have work within one turn of the event loop, and works them as one batch: one decode
 * call for what all sockets received, one encode call for what all connections want to send.
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
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#env.setImmediate(() => this.#run());
  }

  #run(): void {
    this.#scheduled = false;
    const links = [...this.#waiting];
    this.#waiting.clear();
    runLinks(links);
  }
}
