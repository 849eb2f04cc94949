import { orAborted } from '../base/abort.ts';
import type { Env } from '../base/env.ts';
import { isPeerlaneError, PeerlaneError } from '../base/errors.ts';
import { type DialTarget, hasPlacesOf } from './dial-target.ts';
import type { Peer } from './peer.ts';

/** So long a caller who names another place waits for the dial in progress: where the node is, it answers sooner. */
export const HEAD_START_MS = 1_000;

interface Attempt {
  readonly target: DialTarget;
  readonly abort: AbortController;
  readonly done: Promise<Peer>;
  /** Callers that wait for it. */
  waiters: number;
  /** Begun by the server itself, which nobody's loss of interest ends. */
  readonly planned: boolean;
  readonly takesSlot: boolean;
}

export function serverClosedError(): PeerlaneError {
  return new PeerlaneError('closed', 'the server is closed');
}

/** Makes the connection to a node; resolves when it is a peer, for which it needs a slot or not. */
export type Connect = (target: DialTarget, signal: AbortSignal, takesSlot: boolean) => Promise<Peer>;

export interface DialsOptions {
  readonly env: Pick<Env, 'setTimer'>;
  readonly connect: Connect;
}

/** The dials in progress, one at most to a place of a node; several callers may wait for the same. */
export class Dials {
  /** By the key of the node: one, and those of callers who know other places of it. */
  readonly #attempts = new Map<string, readonly Attempt[]>();
  readonly #options: DialsOptions;
  readonly #settled: () => void;
  #isClosed = false;

  /** @param settled called when a dial for a caller has ended, in either way */
  constructor(options: DialsOptions, settled: () => void) {
    this.#options = options;
    this.#settled = settled;
  }

  get size(): number {
    return [...this.#attempts.values()].reduce((sum, { length }) => sum + length, 0);
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
    return [...this.#attempts].flatMap(([key, all]) => (all.some(({ takesSlot }) => takesSlot) ? [key] : []));
  }

  /** Dials for the server itself, which learns of the end from the promise: by then the dial is no longer in progress. */
  begin(key: string, target: DialTarget, takesSlot: boolean): Promise<Peer> {
    return (this.#of(key)[0] ?? this.#start(key, target, true, takesSlot)).done;
  }

  /**
   * Dials for a caller, or waits with others for the dial in progress to the same place. `signal` ends the wait of this caller,
   * and the dial when nobody else wants it.
   */
  async join(key: string, target: DialTarget, signal: AbortSignal | undefined): Promise<Peer> {
    const isThere = (attempt: Attempt) => hasPlacesOf(attempt.target, target);
    const others = this.#of(key);
    if (others.length > 0 && !others.some(isThere)) {
      const peer = await orAborted(this.#headStart(others), signal);
      if (peer !== undefined) return peer;
      if (this.#isClosed) throw serverClosedError();
    }
    const attempt = this.#of(key).find(isThere) ?? this.#start(key, target, false, false);
    attempt.waiters++;
    try {
      return await orAborted(attempt.done, signal);
    } catch (error) {
      const isEnded = this.#isClosed && signal?.aborted !== true && isPeerlaneError(error, 'aborted');
      throw isEnded ? serverClosedError() : error;
    } finally {
      attempt.waiters--;
      if (attempt.waiters === 0 && !attempt.planned && signal?.aborted) attempt.abort.abort();
    }
  }

  abort(key: string): void {
    for (const { abort } of this.#of(key)) abort.abort();
  }

  /** Ends the dial that nobody but the server itself has wanted. */
  abortPlanned(key: string): void {
    for (const { abort, planned, waiters } of this.#of(key)) if (planned && waiters === 0) abort.abort();
  }

  abortAll(): void {
    this.#isClosed = true;
    for (const key of this.#attempts.keys()) this.abort(key);
  }

  #of(key: string): readonly Attempt[] {
    return this.#attempts.get(key) ?? [];
  }

  /** The peer, if the dials in progress lead to one soon. */
  #headStart(attempts: readonly Attempt[]): Promise<Peer | undefined> {
    return new Promise((resolve) => {
      const timer = this.#options.env.setTimer(HEAD_START_MS, () => resolve(undefined));
      Promise.any(attempts.map(({ done }) => done))
        .catch(() => undefined)
        .then((peer) => {
          timer.cancel();
          resolve(peer);
        });
    });
  }

  #start(key: string, target: DialTarget, planned: boolean, takesSlot: boolean): Attempt {
    const abort = new AbortController();
    const done = this.#options.connect(target, abort.signal, takesSlot);
    const attempt: Attempt = { target, abort, done, waiters: 0, planned, takesSlot };
    this.#attempts.set(key, [...this.#of(key), attempt]);
    const settled = () => {
      const others = this.#of(key).filter((one) => one !== attempt);
      if (others.length === 0) this.#attempts.delete(key);
      else this.#attempts.set(key, others);
      if (!planned) this.#settled();
    };
    attempt.done.then(settled, settled);
    return attempt;
  }
}
