import type { Env } from '../base/env.ts';

/** Items that need nothing to wait for give way to other work after this long. */
const SLICE_MS = 10;

/** How much may wait in a queue; the item that runs counts too. */
export interface WorkQueueOptions {
  readonly env: Pick<Env, 'now' | 'setImmediate'>;
  readonly maxItems: number;
  readonly maxBytes: number;
  /**
   * Asked when the queue is full: true drops the newcomer, false makes it wait. Waiting ends with room, or when
   * the answer turns to true and `recheck` is called.
   */
  readonly mayDrop?: () => boolean;
  /** An item threw; nothing runs any more after it. */
  readonly onFailure: (error: unknown) => void;
}

/**
 * Runs items strictly one after another, apart from the loop that reads the connection: the loop stays free to
 * read the answers that an item itself may be waiting for, until the queue is full.
 */
export class WorkQueue {
  readonly #options: WorkQueueOptions;
  readonly #items: { readonly size: number; readonly run: () => Promise<void> }[] = [];
  #bytes = 0;
  #running = false;
  #pausedAt: number;
  #closed = false;
  #wake: (() => void) | undefined;

  constructor(options: WorkQueueOptions) {
    this.#options = options;
    this.#pausedAt = options.env.now();
  }

  /** Whether the queue takes no more for now. One item is always taken, however large. */
  get #isFull(): boolean {
    const { maxItems, maxBytes } = this.#options;
    return this.#items.length > 0 && (this.#items.length >= maxItems || this.#bytes >= maxBytes);
  }

  /**
   * Puts `run` at the end; resolves once it is in the queue: true, or false when it was dropped. One caller at a
   * time.
   */
  async push(size: number, run: () => Promise<void>): Promise<boolean> {
    while (this.#isFull && !this.#closed) {
      if (this.#options.mayDrop?.() === true) return false;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    if (this.#closed) return false;
    this.#items.push({ size, run });
    this.#bytes += size;
    if (!this.#running) {
      this.#running = true;
      this.#drain().catch((error: unknown) => {
        this.close();
        this.#options.onFailure(error);
      });
    }
    return true;
  }

  /** Makes a waiting `push` ask `mayDrop` again. */
  recheck(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }

  /** Drops what waits; the item that runs is left to end. */
  close(): void {
    this.#closed = true;
    this.#items.length = 0;
    this.#bytes = 0;
    this.recheck();
  }

  async #drain(): Promise<void> {
    const { env } = this.#options;
    for (;;) {
      const item = this.#items[0];
      if (item === undefined) break;
      await item.run();
      if (this.#closed) return;
      this.#items.shift();
      this.#bytes -= item.size;
      this.recheck();
      if (env.now() - this.#pausedAt < SLICE_MS) continue;
      // A chain in memory answers without a turn of the event loop, and there may be many answers to give.
      await new Promise<void>((resolve) => void env.setImmediate(resolve));
      this.#pausedAt = env.now();
    }
    this.#running = false;
  }
}
