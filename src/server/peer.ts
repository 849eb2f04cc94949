import { PeerlaneError } from '../base/errors.ts';
import type { ReputationEventKind } from '../base/reputation-events.ts';
import type { PeerInfo } from '../p2p/index.ts';
import type { Channel } from './channel.ts';
import type { Connection } from './connection.ts';

/** A connected node, as a user of the server sees it. */
export class Peer {
  readonly info: PeerInfo;
  /** On the clock of `Env.now`. */
  readonly connectedAt: number;
  readonly #connection: Connection;

  constructor(connection: Connection, info: PeerInfo, connectedAt: number) {
    this.#connection = connection;
    this.info = info;
    this.connectedAt = connectedAt;
  }

  /** Aborted, with the `PeerlaneError` behind it as reason, when the peer is gone. */
  get signal(): AbortSignal {
    return this.#connection.signal;
  }

  /** @internal The channel of the protocol of this name, if the peer shares it. */
  channel(protocol: string): Channel | undefined {
    return this.#connection.channel(protocol);
  }

  /**
   * Tells how the peer behaves, for its reputation: what no error says that ends the connection.
   * @throws PeerlaneError `invalid-argument` for an event that there is not
   */
  report(kind: ReputationEventKind): void {
    this.#connection.report(kind);
  }

  /** Ends the connection; without an error the reason is `requested`. */
  disconnect(error = new PeerlaneError('disconnect-requested', 'disconnected on request')): void {
    this.#connection.close(error);
  }
}
