import type { Env } from '../base/env.ts';

/** Items that need nothing to wait for give way to other work after this long. */
const SLICE_MS = 10;

/** A bound on the bytes that wait in several queues. */
export class SharedLength {
  readonly #limit: number;
  #used = 0;
  readonly #waiting = new Set<() => void>();

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Something is always taken, however large. */
  fits(size: number): boolean {
    return this.#used === 0 || this.#used + size <= this.#limit;
  }

  /** @param size negative when bytes have gone */
  add(size: number): void {
    this.#used += size;
    if (size >= 0) return;
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const recheck of waiting) recheck();
  }

  /** Calls `recheck` once, when there is more room. */
  wait(recheck: () => void): void {
    this.#waiting.add(recheck);
  }
}

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
  /** What waits in all queues together, in bytes, and its bound; default: none. */
  readonly shared?: SharedLength;
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
  #isFull(size: number): boolean {
    const { maxItems, maxBytes, shared } = this.#options;
    if (shared?.fits(size) === false) {
      shared.wait(this.#recheck);
      return true;
    }
    return this.#items.length > 0 && (this.#items.length >= maxItems || this.#bytes >= maxBytes);
  }

  /**
   * Makes room for an item, which `push` is to be called for at once; resolves to false when it is to be dropped. One
   * caller at a time.
   */
  async admit(size: number): Promise<boolean> {
    while (!this.#closed && this.#isFull(size)) {
      if (this.#options.mayDrop?.() === true) return false;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    if (this.#closed) return false;
    this.#add(size);
    return true;
  }

  /** Puts `run` at the end, when `admit` has made room for it. */
  push(size: number, run: () => Promise<void>): void {
    if (this.#closed) return;
    this.#items.push({ size, run });
    if (this.#running) return;
    this.#running = true;
    this.#drain().catch((error: unknown) => {
      this.close();
      this.#options.onFailure(error);
    });
  }

  #add(size: number): void {
    this.#bytes += size;
    this.#options.shared?.add(size);
  }

  readonly #recheck = (): void => this.recheck();

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
    this.#add(-this.#bytes);
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
      this.#add(-item.size);
      this.recheck();
      if (env.now() - this.#pausedAt < SLICE_MS) continue;
      // A chain in memory answers without a turn of the event loop, and there may be many answers to give.
      await new Promise<void>((resolve) => void env.setImmediate(resolve));
      this.#pausedAt = env.now();
    }
    this.#running = false;
  }
}
