import type { Env, Timer } from '../base/env.ts';
import { PeerlaneError } from '../base/errors.ts';
import type { Wire } from '../io/tcp.ts';
import type { Connection } from './connection.ts';

/** How long an inbound connection keeps its place, whatever it does, while others wait for one. */
export const PENDING_TURN_MS = 250;
/** Sockets that wait for a place; with more, whoever has kept silent for the longest time goes at once. */
export const MAX_WAITING_INBOUND = 512;

export interface PendingInboundOptions {
  /** Connections at a time. */
  readonly limit: number;
  readonly env: Pick<Env, 'now' | 'setTimer' | 'setImmediate'>;
  readonly begin: (wire: Wire) => Connection;
}

/**
 * Inbound connections that have not become peers yet, and sockets that wait to be one. When many come at once, each has its
 * turn, and is told why it is turned away; silence keeps nobody out, since whoever is silent makes room.
 */
export class PendingInbound {
  readonly #options: PendingInboundOptions;
  /** When each has begun; oldest first. */
  readonly #connections = new Map<Connection, number>();
  readonly #waiting: Wire[] = [];
  #timer: Timer | undefined;
  #isFilling = false;

  constructor(options: PendingInboundOptions) {
    this.#options = options;
  }

  /** Connections, and sockets that wait to be one. */
  get size(): number {
    return this.#connections.size + this.#waiting.length;
  }

  accept(wire: Wire): void {
    this.#waiting.push(wire);
    this.#fill();
  }

  /** The connection has become a peer, or is over. */
  delete(connection: Connection): void {
    if (this.#connections.delete(connection)) this.#fill();
  }

  /** Closes the sockets that wait. */
  close(): void {
    this.#timer?.cancel();
    for (const wire of this.#waiting.splice(0)) wire.destroy();
  }

  /** @param isTurnOver whether those whose turn is over make room */
  #fill(isTurnOver = false): void {
    // Whoever has to make room is deleted by that.
    if (this.#isFilling) return;
    this.#isFilling = true;
    try {
      while (this.#waiting.length > 0 && this.#hasRoom(isTurnOver)) {
        const wire = this.#waiting.shift();
        if (wire !== undefined) this.#begin(wire);
      }
    } finally {
      this.#isFilling = false;
    }
    this.#wait();
  }

  #begin(wire: Wire): void {
    const { env, begin } = this.#options;
    const connection = begin(wire);
    if (connection.endError === undefined) this.#connections.set(connection, env.now());
  }

  #hasRoom(isTurnOver: boolean): boolean {
    if (this.#connections.size < this.#options.limit) return true;
    const isCrowd = this.#waiting.length > MAX_WAITING_INBOUND;
    if (!isCrowd && !isTurnOver) return false;
    const latest = isCrowd ? Number.POSITIVE_INFINITY : this.#options.env.now() - PENDING_TURN_MS;
    const leaving = this.#oldest(latest);
    if (leaving === undefined) return false;
    this.#connections.delete(leaving);
    leaving.close(new PeerlaneError('pending-replaced', 'a newer connection took the place'));
    return true;
  }

  /** Of those that began at `latest` or before, one that has not proved its key, or else any. */
  #oldest(latest: number): Connection | undefined {
    let oldest: Connection | undefined;
    for (const [connection, began] of this.#connections) {
      if (began > latest) break;
      if (!connection.hasIdentity) return connection;
      oldest ??= connection;
    }
    return oldest;
  }

  #wait(): void {
    const [began] = this.#connections.values();
    if (this.#timer !== undefined || this.#waiting.length === 0 || began === undefined) return;
    const { env } = this.#options;
    this.#timer = env.setTimer(Math.max(0, began + PENDING_TURN_MS - env.now()), () => {
      // After a stall of this process, what they have said meanwhile comes first.
      this.#timer = env.setImmediate(() => {
        this.#timer = undefined;
        this.#fill(true);
      });
    });
  }
}
