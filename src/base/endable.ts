import { onAbort } from './abort.ts';

/**
 * An async generator that can be ended while somebody waits for it: of a plain one `return` comes after the `next` that is
 * under way, which may never come.
 */
export class Endable<T, R> implements AsyncGenerator<T, R, undefined> {
  readonly #inner: AsyncGenerator<T, R, undefined>;
  readonly #ended = new AbortController();
  readonly #signal: AbortSignal | undefined;
  #isReturned = false;

  /**
   * @param make what gives the elements, and ends soon after its signal has aborted
   * @param signal of the caller, whose reason that one has when it aborts
   */
  constructor(
    make: (signal: AbortSignal) => AsyncGenerator<T, R, undefined>,
    signal: AbortSignal | undefined,
  ) {
    this.#inner = make(this.#ended.signal);
    this.#signal = signal;
  }

  /** @throws what the generator throws, unless `return` has ended it */
  async next(): Promise<IteratorResult<T, R>> {
    // Only while somebody waits: one that is left where it stands must not hang on its caller's signal.
    const off = onAbort(this.#signal, () => this.#ended.abort(this.#signal?.reason));
    try {
      return await this.#inner.next();
    } catch (error) {
      if (!this.#isReturned) throw error;
      return await this.#inner.next();
    } finally {
      off();
    }
  }

  async return(value: R | PromiseLike<R>): Promise<IteratorResult<T, R>> {
    this.#end();
    return await this.#inner.return(value);
  }

  async throw(error: unknown): Promise<IteratorResult<T, R>> {
    this.#end();
    return await this.#inner.throw(error);
  }

  #end(): void {
    this.#isReturned = true;
    this.#ended.abort();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#end();
    await this.#inner.return(undefined as R);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}
