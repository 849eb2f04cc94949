/** How long a connection waits: for its handshake, for a whole frame, for the answer to a Ping. */
import { PeerlaneError } from '../base/errors.ts';

/** From the first byte to the session's secrets, and again from there to the remote Hello. */
export const HANDSHAKE_TIMEOUT_MS = 5_000;
/** A whole frame has to arrive within this time. */
export const FRAME_READ_TIMEOUT_MS = 30_000;
export const PING_INTERVAL_MS = 15_000;

/** Times are those of `Env.now`. */
export class Deadlines {
  /** Start of the phase, or time of the last whole frame: what the read deadline counts from. */
  #progressAt = 0;
  /** Infinite until Hellos have been exchanged. */
  #pingAt = Number.POSITIVE_INFINITY;
  #pingUnanswered = false;
  #paused = false;
  /** When it began to be held; `undefined`: it is not. */
  #heldAt: number | undefined;

  /** A phase of the handshake begins, or a whole frame has arrived. */
  progress(now: number): void {
    this.#progressAt = now;
  }

  /** Hellos have been exchanged. */
  open(now: number): void {
    this.#pingAt = now + PING_INTERVAL_MS;
  }

  get #isOpen(): boolean {
    return this.#pingAt !== Number.POSITIVE_INFINITY;
  }

  /** A Ping has been answered. */
  pong(): void {
    this.#pingUnanswered = false;
  }

  get isPaused(): boolean {
    return this.#paused;
  }

  /** Nothing is read meanwhile, so that no frame can be late. */
  pause(): void {
    this.#paused = true;
  }

  resume(now: number): void {
    this.#paused = false;
    this.#progressAt = now;
  }

  /**
   * Whether the socket is not read for the sake of others: what has come is decoded, and this time does not count for a frame.
   * All other time does: whoever brings a little each time would else be late never.
   */
  hold(isHeld: boolean, now: number): void {
    if (this.#heldAt !== undefined) this.#progressAt = Math.min(now, this.#progressAt + now - this.#heldAt);
    this.#heldAt = isHeld ? now : undefined;
  }

  /** When something is due. */
  get next(): number {
    return this.#isOpen ? Math.min(this.#pingAt, this.#readDeadline) : this.#handshakeDeadline;
  }

  get #handshakeDeadline(): number {
    return this.#progressAt + HANDSHAKE_TIMEOUT_MS;
  }

  get #readDeadline(): number {
    const isStopped = this.#paused || this.#heldAt !== undefined;
    return isStopped ? Number.POSITIVE_INFINITY : this.#progressAt + FRAME_READ_TIMEOUT_MS;
  }

  /**
   * A Ping to be sent now, or why the connection is over; `undefined` before `next`.
   * @param awaited what of the handshake is
   * @param midFrame whether a part of a frame has arrived
   */
  due(now: number, awaited: string, midFrame: boolean): 'ping' | PeerlaneError | undefined {
    if (now < this.next) return undefined;
    if (!this.#isOpen) {
      return new PeerlaneError('handshake-timeout', `no ${awaited} within ${HANDSHAKE_TIMEOUT_MS} ms`);
    }
    if (now >= this.#readDeadline) {
      return this.#pingUnanswered && !midFrame
        ? new PeerlaneError('ping-timeout', `no answer to a Ping within ${FRAME_READ_TIMEOUT_MS} ms`)
        : new PeerlaneError('read-timeout', `no whole frame within ${FRAME_READ_TIMEOUT_MS} ms`);
    }
    this.#pingAt = now + PING_INTERVAL_MS;
    this.#pingUnanswered = true;
    return 'ping';
  }
}
