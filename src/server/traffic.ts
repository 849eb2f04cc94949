import { type MessageCount, MessageCounts, type RequestCount } from '../observe/index.ts';
import { BASE_PROTOCOL_LENGTH, P2P_VERSION, type Protocol } from '../p2p/index.ts';

const BASE = {
  ...{ name: 'p2p', version: P2P_VERSION, length: BASE_PROTOCOL_LENGTH },
  messageNames: ['Hello', 'Disconnect', 'Ping', 'Pong'],
};

/** What all connections of a server have sent and received. */
export class Traffic {
  /** Of the sockets. */
  readonly wireBytes = { in: 0, out: 0 };
  /** The messages of the base protocol. */
  readonly base = new MessageCounts(BASE);
  /** Of the protocols that the server offers. */
  readonly #counts = new Map<Protocol, MessageCounts>();

  of(protocol: Protocol): MessageCounts {
    let counts = this.#counts.get(protocol);
    if (counts === undefined) {
      counts = new MessageCounts(protocol);
      this.#counts.set(protocol, counts);
    }
    return counts;
  }

  messages(): MessageCount[] {
    return [this.base, ...this.#counts.values()].flatMap((counts) => counts.messages());
  }

  requests(): RequestCount[] {
    return [...this.#counts.values()].flatMap((counts) => counts.requests());
  }
}
