/** An end that many wait for at a time. Node takes more than ten listeners of an AbortSignal for a leak, and says so. */
export class Closing {
  readonly #listeners = new Set<() => void>();
  #isClosed = false;

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Calls `run` at the end, at once if it has come; returns what takes the listener off again. */
  onClose(run: () => void): () => void {
    if (this.#isClosed) {
      run();
      return () => undefined;
    }
    // A function may be given twice.
    const listener = () => run();
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** May be called twice. */
  close(): void {
    this.#isClosed = true;
    const listeners = [...this.#listeners];
    this.#listeners.clear();
    for (const listener of listeners) listener();
  }
}
