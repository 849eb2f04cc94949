import { abortedError, onAbort } from './abort.ts';

/**
 * Lets work through while the sum of its sizes stays within a limit; what does not fit waits its turn. Work
 * larger than the limit passes when it is alone.
 */
export class Gate {
  readonly #limit: number;
  #used = 0;
  readonly #waiting = new Set<{ size: number; enter: () => void }>();
  readonly #onWait: (isWaitedAt: boolean) => void;

  /** @param onWait told when somebody begins to wait, and when nobody waits any more */
  constructor(limit: number, onWait: (isWaitedAt: boolean) => void = () => undefined) {
    this.#limit = limit;
    this.#onWait = onWait;
  }

  /**
   * Resolves, once there is room, with the function that gives the room back.
   * @throws PeerlaneError `aborted`
   */
  enter(size: number, signal?: AbortSignal): Promise<() => void> {
    if (this.#hasRoom(size)) return Promise.resolve(this.#admit(size));
    return new Promise((resolve, reject) => {
      const forgo = this.await(size, (leave) => {
        removeAbort();
        resolve(leave);
      });
      const removeAbort = onAbort(signal, () => {
        forgo();
        reject(abortedError(signal));
      });
    });
  }

  /**
   * Calls `enter` once there is room, at once if there is, with the function that gives the room back.
   * @returns what gives up waiting; nothing happens when that is over
   */
  await(size: number, enter: (leave: () => void) => void): () => void {
    if (this.#hasRoom(size)) {
      enter(this.#admit(size));
      return () => undefined;
    }
    const entry = { size, enter: () => enter(this.#admit(size)) };
    this.#waiting.add(entry);
    if (this.#waiting.size === 1) this.#onWait(true);
    return () => {
      if (this.#waiting.delete(entry)) this.#next();
    };
  }

  #hasRoom(size: number): boolean {
    return this.#waiting.size === 0 && this.#fits(size);
  }

  #fits(size: number): boolean {
    return this.#used === 0 || this.#used + size <= this.#limit;
  }

  #admit(size: number): () => void {
    this.#used += size;
    let left = false;
    return () => {
      if (left) return;
      left = true;
      this.#used -= size;
      this.#next();
    };
  }

  #next(): void {
    for (const entry of this.#waiting) {
      if (!this.#fits(entry.size)) return;
      this.#waiting.delete(entry);
      entry.enter();
    }
    this.#onWait(false);
  }
}
