import { inspect } from 'node:util';

/** How long a wait lasts when the caller gives no signal: a test fails with what it waited for, not by hanging. */
const DEFAULT_WAIT_MS = 15_000;

interface Waiter<T> {
  readonly accepts: (event: T) => boolean;
  readonly resolve: (event: T) => void;
  readonly reject: (error: Error) => void;
}

/** What a program reported and nobody has asked for yet. Each event is handed out once, the oldest first. */
export class EventQueue<T> {
  readonly #waiting: T[] = [];
  readonly #waiters = new Set<Waiter<T>>();
  #ended: Error | undefined;

  push(event: T): void {
    for (const waiter of this.#waiters) {
      if (!waiter.accepts(event)) continue;
      this.#waiters.delete(waiter);
      waiter.resolve(event);
      return;
    }
    this.#waiting.push(event);
  }

  /** No more events will come: waits that no stored event satisfies fail with `error`. */
  end(error: Error): void {
    if (this.#ended !== undefined) return;
    this.#ended = error;
    for (const waiter of this.#waiters) waiter.reject(error);
    this.#waiters.clear();
  }

  /** The first event that `accepts` takes, of those stored and those to come. `what` names it in the error. */
  next(what: string, accepts: (event: T) => boolean, signal?: AbortSignal): Promise<T> {
    const stored = this.#waiting.findIndex(accepts);
    if (stored >= 0) {
      const [event] = this.#waiting.splice(stored, 1) as [T];
      return Promise.resolve(event);
    }
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    const limit = signal ?? AbortSignal.timeout(DEFAULT_WAIT_MS);
    return new Promise<T>((resolve, reject) => {
      const giveUp = (): void => {
        this.#waiters.delete(waiter);
        const others = this.#waiting.map((event) => inspect(event)).join('\n');
        reject(new Error(`no ${what} came; stored events:\n${others}`, { cause: limit.reason }));
      };
      const done = (): void => limit.removeEventListener('abort', giveUp);
      const waiter: Waiter<T> = {
        accepts,
        resolve: (event) => {
          done();
          resolve(event);
        },
        reject: (error) => {
          done();
          reject(error);
        },
      };
      if (limit.aborted) {
        giveUp();
        return;
      }
      limit.addEventListener('abort', giveUp, { once: true });
      this.#waiters.add(waiter);
    });
  }
}
