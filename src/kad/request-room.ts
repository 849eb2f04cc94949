/** Requests of one's own at a time. */
export const MAX_REQUESTS = 256;

/** Counts requests that await an answer, and lets go on who waits for room: lookups, which are as many as their callers let run. */
export class RequestRoom {
  readonly #waiting = new Set<() => void>();
  #open = 0;

  /** Requests that await an answer. */
  get open(): number {
    return this.#open;
  }

  get isFull(): boolean {
    return this.#open >= MAX_REQUESTS;
  }

  enter(): void {
    this.#open++;
  }

  /** One of them is over. @param then told before others go on */
  leave(then: () => void): void {
    this.#open--;
    then();
    for (const run of this.#waiting) {
      if (this.isFull) break;
      this.#waiting.delete(run);
      run();
    }
  }

  /** Calls `run` once, as soon as there is room; whoever came first is called first. */
  await(run: () => void): void {
    this.#waiting.add(run);
  }

  /** What was given to `await` is not called any more. */
  forgo(run: () => void): void {
    this.#waiting.delete(run);
  }
}
