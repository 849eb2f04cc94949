import { orAborted } from '../base/abort.ts';
import type { DialTarget } from './dial-target.ts';
import type { Peer } from './peer.ts';

interface Attempt {
  readonly abort: AbortController;
  readonly done: Promise<Peer>;
  /** Callers that wait for it. */
  waiters: number;
  /** Begun by the server itself, which nobody's loss of interest ends. */
  readonly planned: boolean;
  readonly takesSlot: boolean;
}

/** Makes the connection to a node; resolves when it is a peer, for which it needs a slot or not. */
export type Connect = (target: DialTarget, signal: AbortSignal, takesSlot: boolean) => Promise<Peer>;

/** The dials in progress, one at most to a node; several callers may wait for the same. */
export class Dials {
  readonly #attempts = new Map<string, Attempt>();
  readonly #connect: Connect;
  readonly #settled: () => void;

  /** @param settled called when a dial for a caller has ended, in either way */
  constructor(connect: Connect, settled: () => void) {
    this.#connect = connect;
    this.#settled = settled;
  }

  get size(): number {
    return this.#attempts.size;
  }

  /** Keys of the nodes that are being dialed. */
  keys(): IterableIterator<string> {
    return this.#attempts.keys();
  }

  has(key: string): boolean {
    return this.#attempts.has(key);
  }

  /** Keys of those that are dialed for a slot. */
  takingSlots(): string[] {
    return [...this.#attempts].flatMap(([key, { takesSlot }]) => (takesSlot ? [key] : []));
  }

  /** Dials for the server itself, which learns of the end from the promise: by then the dial is no longer in progress. */
  begin(key: string, target: DialTarget, takesSlot: boolean): Promise<Peer> {
    return (this.#attempts.get(key) ?? this.#start(key, target, true, takesSlot)).done;
  }

  /**
   * Dials for a caller, or waits with others for the dial in progress. `signal` ends the wait of this caller, and
   * the dial when nobody else wants it.
   */
  async join(key: string, target: DialTarget, signal: AbortSignal | undefined): Promise<Peer> {
    const attempt = this.#attempts.get(key) ?? this.#start(key, target, false, false);
    attempt.waiters++;
    try {
      return await orAborted(attempt.done, signal);
    } finally {
      attempt.waiters--;
      if (attempt.waiters === 0 && !attempt.planned && signal?.aborted) attempt.abort.abort();
    }
  }

  abort(key: string): void {
    this.#attempts.get(key)?.abort.abort();
  }

  abortAll(): void {
    for (const { abort } of this.#attempts.values()) abort.abort();
  }

  #start(key: string, target: DialTarget, planned: boolean, takesSlot: boolean): Attempt {
    const abort = new AbortController();
    const done = this.#connect(target, abort.signal, takesSlot);
    const attempt: Attempt = { abort, done, waiters: 0, planned, takesSlot };
    this.#attempts.set(key, attempt);
    const settled = () => {
      this.#attempts.delete(key);
      if (!planned) this.#settled();
    };
    attempt.done.then(settled, settled);
    return attempt;
  }
}
