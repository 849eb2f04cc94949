import { abortedError, onAbort } from '../base/abort.ts';
import { isPeerlaneError, type PeerlaneError } from '../base/errors.ts';
import type { Enode } from '../enr/index.ts';
import { connectAny } from '../io/happy-eyeballs.ts';
import type { Wire } from '../io/tcp.ts';
import { P2P_VERSION } from '../p2p/index.ts';
import {
  accept,
  freshRandomness,
  type Handshake,
  type Identity,
  identityOf,
  initiate,
} from '../rlpx/index.ts';
import type { Ban } from './ban-codec.ts';
import type { Budgets } from './budgets.ts';
import { allBannedError, bannedError } from './conduct.ts';
import { DIAL_TIMEOUT_MS, type ServerConfig } from './config.ts';
import { Connection, type ConnectionContext, type ConnectionOwner } from './connection.ts';
import { type DialTarget, endpointsOf, reachedAt } from './dial-target.ts';
import type { Lanes } from './lanes.ts';
import type { Peer } from './peer.ts';
import type { Traffic } from './traffic.ts';

/** A dial that waits for its peer. */
export interface Dialed {
  readonly enode: Enode;
  /** Whether it may become a peer within the limits only. */
  readonly takesSlot: boolean;
  readonly resolve: (peer: Peer) => void;
  readonly reject: (error: PeerlaneError) => void;
}

export interface ConnectorOptions
  extends Pick<ServerConfig, 'key' | 'env' | 'name' | 'protocols' | 'allows'> {
  readonly lanes: Lanes;
  readonly budgets: Budgets;
  readonly traffic: Traffic;
  /** The ban that keeps us from dialing an address. */
  readonly banOfAddress?: (ip: string) => Ban | undefined;
  /** The port that Hello names to a host with that address: 0 when the server does not listen. */
  readonly listenPort: (ip: string) => number;
  /** Who is told what happens to a connection, which came in unless it was dialed. */
  readonly ownerOf: (dialed: Dialed | undefined) => Omit<ConnectionOwner, 'gone'>;
}

/** Makes the connections of a server, and knows those whose sockets are open. */
export class Connector {
  readonly #options: ConnectorOptions;
  readonly #identity: Identity;
  readonly #connections = new Set<Connection>();
  /** One for all that come in, made for the first. */
  #owner: ConnectionOwner | undefined;
  /** By the port that Hello names: that of either family, and none for whom the server dials before it listens. */
  readonly #contexts = new Map<number, ConnectionContext>();

  constructor(options: ConnectorOptions) {
    this.#options = options;
    this.#identity = identityOf(options.key);
  }

  /** The node's public key, 64 bytes. */
  get publicKey(): Uint8Array {
    return this.#identity.publicKey;
  }

  /** All connections whose sockets are open, peers included. */
  get connections(): ReadonlySet<Connection> {
    return this.#connections;
  }

  accept(wire: Wire): Connection {
    this.#owner ??= this.#ownerOf(undefined);
    return this.#connect(wire, () => this.#accepting(), this.#owner, true);
  }

  #accepting(): Handshake {
    return accept({ identity: this.#identity, randomness: freshRandomness(this.#options.env) });
  }

  /**
   * @throws PeerlaneError what the dial or the handshake failed with, `invalid-public-key`, `remote-disconnect`,
   * `address-refused`, `aborted`; `banned` when all addresses are, by `allBannedError`
   */
  async dial(target: DialTarget, signal: AbortSignal, takesSlot: boolean): Promise<Peer> {
    const { env } = this.#options;
    const { publicKey: remoteId } = target;
    const randomness = freshRandomness(env);
    // Before there is a socket: to a key that is no point of the curve nothing can be said.
    const handshake = initiate({ identity: this.#identity, randomness, remoteId });
    const wire = await this.#reach(target, signal);
    if (signal.aborted) {
      wire.destroy();
      throw abortedError(signal);
    }
    const enode = reachedAt(target, wire);
    return await new Promise<Peer>((resolve, reject) => {
      const owner = this.#ownerOf({ enode, takesSlot, resolve, reject });
      const connection = this.#connect(wire, () => handshake, owner, false);
      onAbort(signal, () => {
        if (connection.peer === undefined) connection.close(abortedError(signal));
      });
    });
  }

  async #reach(target: DialTarget, signal: AbortSignal): Promise<Wire> {
    const { env, allows, banOfAddress = () => undefined } = this.#options;
    const bans: Ban[] = [];
    const refusal = (ip: string): PeerlaneError | undefined => {
      const ban = banOfAddress(ip);
      if (ban === undefined) return undefined;
      bans.push(ban);
      return bannedError(ban);
    };
    try {
      const { turn } = target;
      const options = { env, timeoutMs: DIAL_TIMEOUT_MS, signal, allows, refusal, turn };
      return await connectAny(endpointsOf(target), options);
    } catch (error) {
      throw isPeerlaneError(error, 'banned') ? allBannedError(bans) : error;
    }
  }

  #connect(wire: Wire, begin: () => Handshake, owner: ConnectionOwner, inbound: boolean): Connection {
    try {
      const context = this.#contextFor(wire.remoteAddress);
      const connection = new Connection(context, { wire, inbound, handshake: begin(), owner });
      if (!connection.isGone) this.#connections.add(connection);
      return connection;
    } catch (error) {
      // Nobody else knows of the socket.
      wire.destroy();
      throw error;
    }
  }

  #ownerOf(dialed: Dialed | undefined): ConnectionOwner {
    return {
      ...this.#options.ownerOf(dialed),
      gone: (connection) => this.#connections.delete(connection),
    };
  }

  #contextFor(ip: string): ConnectionContext {
    const port = this.#options.listenPort(ip);
    const known = this.#contexts.get(port);
    if (known !== undefined) return known;
    const made = this.#newContext(port);
    this.#contexts.set(port, made);
    return made;
  }

  #newContext(listenPort: number): ConnectionContext {
    const { env, name, protocols, lanes, budgets, traffic } = this.#options;
    const hello = {
      version: P2P_VERSION,
      clientId: name,
      capabilities: protocols.map(({ name, version }) => ({ name, version })),
      listenPort,
      id: this.publicKey,
    };
    return { env, protocols, hello, lanes, budgets, traffic };
  }
}
