import { PeerlaneError } from '../base/errors.ts';
import type { Connection } from './connection.ts';

/** Inbound connections that have not become peers yet, oldest first. */
export class PendingInbound {
  readonly #limit: number;
  readonly #connections = new Set<Connection>();

  constructor(limit: number) {
    this.#limit = limit;
  }

  get size(): number {
    return this.#connections.size;
  }

  /** Whoever has kept silent for the longest time makes room, so that silence keeps nobody out. */
  makeRoom(): void {
    if (this.#connections.size < this.#limit) return;
    const silent = [...this.#connections].find(({ hasIdentity }) => !hasIdentity);
    const oldest = silent ?? this.#connections.values().next().value;
    oldest?.close(new PeerlaneError('pending-replaced', 'a newer connection took the place'));
  }

  add(connection: Connection): void {
    if (connection.endError === undefined) this.#connections.add(connection);
  }

  delete(connection: Connection): void {
    this.#connections.delete(connection);
  }
}
