import { abortedError, onAbort } from '../base/abort.ts';
import type { NodeRecord } from '../enr/index.ts';

/** An async generator could not be ended while it waits, which it may do for half an hour. */
export class RecordIterator implements AsyncIterableIterator<NodeRecord> {
  readonly #find: (signal: AbortSignal) => Promise<NodeRecord>;
  readonly #closing = new AbortController();
  readonly #signal: AbortSignal | undefined;
  readonly #removeAbort: () => void;
  /** Whoever asks while another waits comes after it. */
  #last: Promise<unknown> = Promise.resolve();
  #isOver = false;

  constructor(find: (signal: AbortSignal) => Promise<NodeRecord>, signal: AbortSignal | undefined) {
    this.#find = find;
    this.#signal = signal;
    this.#removeAbort = onAbort(signal, () => this.#closing.abort(signal?.reason));
  }

  next(): Promise<IteratorResult<NodeRecord>> {
    const result = this.#last.then(() => this.#next());
    this.#last = result.catch(() => undefined);
    return result;
  }

  async #next(): Promise<IteratorResult<NodeRecord>> {
    if (this.#isOver) return { done: true, value: undefined };
    try {
      return { done: false, value: await this.#find(this.#closing.signal) };
    } catch (error) {
      if (this.#isOver) return { done: true, value: undefined };
      this.#end();
      throw this.#signal?.aborted === true ? abortedError(this.#signal) : error;
    }
  }

  async return(): Promise<IteratorResult<NodeRecord>> {
    this.#end();
    this.#closing.abort();
    return { done: true, value: undefined };
  }

  #end(): void {
    this.#isOver = true;
    this.#removeAbort();
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}
