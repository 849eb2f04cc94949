import { abortedError, onAbort, throwIfAborted } from '../base/abort.ts';
import { equalBytes, toBareHex } from '../base/bytes.ts';
import { PeerlaneError } from '../base/errors.ts';
import { type Enode, firstSeq, formatEnode, LocalRecord, parseEnode } from '../enr/index.ts';
import { connectTcp, type Listener, listenTcp, type Wire } from '../io/tcp.ts';
import { type Hello, P2P_VERSION, type PeerInfo } from '../p2p/index.ts';
import {
  accept,
  freshRandomness,
  type Handshake,
  type Identity,
  identityOf,
  initiate,
} from '../rlpx/index.ts';
import { type Broadcast, type BroadcastResult, broadcastTo } from './broadcast.ts';
import { type Budgets, budgetsOf } from './budgets.ts';
import { checkServerOptions, DIAL_TIMEOUT_MS, type ServerConfig, type ServerOptions } from './config.ts';
import { Connection, type ConnectionContext, type ConnectionOwner } from './connection.ts';
import { Dialer } from './dialer.ts';
import { Lanes } from './lanes.ts';
import { endpointEntries, localEnode } from './local-node.ts';
import { Peer } from './peer.ts';
import { PeerSet, tooManyPeers } from './peers.ts';

/**
 * A devp2p node: listens, dials the nodes it is given and keeps them dialed, takes peers through handshake and
 * Hello, and runs the protocols that they share.
 *
 * ```js
 * const server = new Server({ key, listen: { host: '127.0.0.1', port: 0 }, protocols: [echo] });
 * await server.start();
 * ```
 */
export class Server implements AsyncDisposable {
  readonly #config: ServerConfig;
  readonly #identity: Identity;
  readonly #record: LocalRecord;
  readonly #lanes: Lanes;
  readonly #budgets: Budgets;
  readonly #peers: PeerSet;
  readonly #owner: ConnectionOwner = this.#ownerOf(undefined);
  readonly #dialer: Dialer;
  /** All connections whose sockets are open, peers included. */
  readonly #connections = new Set<Connection>();
  /** Inbound connections that have not become peers yet, oldest first. */
  readonly #pendingInbound = new Set<Connection>();
  #listener: Listener | undefined;
  /** Made for the first connection; by then it is known where the server listens. */
  #context: ConnectionContext | undefined;
  #state: 'new' | 'running' | 'closed' = 'new';
  #closing: Promise<void> | undefined;

  /** @throws PeerlaneError `invalid-argument`, `invalid-secret-key`, `invalid-enode` */
  constructor(options: ServerOptions) {
    this.#config = checkServerOptions(options);
    this.#identity = identityOf(this.#config.key);
    const seq = firstSeq(this.#config.env.unixTime());
    this.#record = new LocalRecord(this.#config.key, { seq });
    this.#budgets = budgetsOf(this.#config);
    this.#lanes = new Lanes(this.#config.env, this.#budgets.blocks);
    this.#peers = new PeerSet(this.#config);
    const { env, maxPendingPeers: maxPending, bootnodes, staticNodes, onEvent } = this.#config;
    this.#dialer = new Dialer({
      env,
      maxPending,
      peers: this.#peers,
      connect: (enode, signal) => this.#connectTo(enode, signal),
      failed: (enode, error, redialInMs) =>
        onEvent({ kind: 'dial-failed', enode: formatEnode(enode), error, redialInMs }),
    });
    const isOther = ({ publicKey }: Enode) => !equalBytes(publicKey, this.id);
    for (const enode of bootnodes.filter(isOther)) this.#dialer.add(enode, false);
    for (const enode of staticNodes.filter(isOther)) this.#dialer.add(enode, true);
  }

  /**
   * Starts to listen and to dial.
   * @throws PeerlaneError `port-in-use`, `listen-failed`, `closed`
   */
  async start(): Promise<void> {
    if (this.#state !== 'new') throw new PeerlaneError('closed', 'a server starts once');
    this.#state = 'running';
    const { listen, onEvent } = this.#config;
    if (listen !== undefined) {
      const listener = await listenTcp(listen, {
        accept: (wire) => this.#accept(wire),
        failed: (error) => onEvent({ kind: 'listener-failed', error }),
      });
      if (this.#isClosed) {
        await listener.close();
        throw new PeerlaneError('closed', 'the server was closed while it started');
      }
      this.#listener = listener;
      this.#record.update(endpointEntries(listener));
      // Whom we dialed meanwhile was told of no port.
      this.#context = undefined;
      onEvent({ kind: 'listening', enode: this.enode, enr: this.enr });
    }
    this.#dialer.start();
  }

  get #isClosed(): boolean {
    return this.#state === 'closed';
  }

  /** The node's 64-byte public key. */
  get id(): Uint8Array {
    return this.#identity.publicKey;
  }

  /**
   * `enode://...` with the address and the port that the server listens on; the loopback address when it listens
   * on all of them, port 0 when it does not listen.
   */
  get enode(): string {
    return localEnode(this.id, this.#listener);
  }

  /** The node's record in text form (EIP-778), with the address that it listens on. */
  get enr(): string {
    return this.#record.record.toString();
  }

  get peers(): readonly Peer[] {
    return this.#peers.peers;
  }

  /**
   * Keeps a node connected from now on, whatever the limits.
   * @throws PeerlaneError `invalid-enode`, `connected-to-self`
   */
  addPeer(enode: string): void {
    const parsed = parseEnode(enode);
    this.#refuseSelf(parsed.publicKey);
    this.#dialer.add(parsed, true);
  }

  /** Stops keeping a node connected, and disconnects it. @throws PeerlaneError `invalid-enode` */
  removePeer(enode: string): void {
    const key = toBareHex(parseEnode(enode).publicKey);
    this.#dialer.remove(key);
    this.#peers.get(key)?.disconnect();
  }

  /**
   * Connects to a node once; resolves when Hellos have been exchanged.
   * @throws PeerlaneError what the dial or the handshake failed with, `remote-disconnect`, `aborted`, `closed`
   */
  async dial(enode: string, { signal }: { readonly signal?: AbortSignal } = {}): Promise<Peer> {
    throwIfAborted(signal);
    if (this.#state !== 'running') throw new PeerlaneError('closed', 'the server is not running');
    const parsed = parseEnode(enode);
    this.#refuseSelf(parsed.publicKey);
    const key = toBareHex(parsed.publicKey);
    return this.#peers.get(key) ?? (await this.#dialer.dial(key, parsed, signal));
  }

  /**
   * Sends a message to all peers, or to `peers`, that share its protocol: compressed once, framed for all in one
   * batch. Those that still have not taken what they were sent before are skipped rather than waited for. Resolves
   * when the frames have been handed to the sockets.
   * @throws PeerlaneError `closed`, `invalid-argument`, `message-code-out-of-range`, `message-too-large`
   */
  async broadcast(message: Broadcast, peers: Iterable<Peer> = this.peers): Promise<BroadcastResult> {
    if (this.#state !== 'running') throw new PeerlaneError('closed', 'the server is not running');
    const result = await broadcastTo(peers, message);
    // Who broadcasts in a loop when nobody is there must let the sockets move meanwhile.
    if (result.sent.length === 0) await this.#lanes.turn();
    return result;
  }

  /** Says goodbye to all peers, waits until their sockets are gone, and stops. May be called twice. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    this.#state = 'closed';
    const listening = this.#listener?.close();
    this.#dialer.close();
    const connections = [...this.#connections];
    for (const connection of connections) {
      connection.close(new PeerlaneError('server-closing', 'the server is closing'));
    }
    await Promise.all(connections.map(({ finished }) => finished));
    await listening;
  }

  #refuseSelf(publicKey: Uint8Array): void {
    if (equalBytes(publicKey, this.id)) {
      throw new PeerlaneError('connected-to-self', 'the enode URL is that of this node');
    }
  }

  // Inbound

  #accept(wire: Wire): void {
    const { maxPendingPeers } = this.#config;
    if (this.#state !== 'running') {
      wire.destroy();
      return;
    }
    // Whoever has kept silent for the longest time makes room, so that silence keeps nobody out.
    if (this.#pendingInbound.size >= maxPendingPeers) {
      const silent = [...this.#pendingInbound].find(({ hasIdentity }) => !hasIdentity);
      const oldest = silent ?? this.#pendingInbound.values().next().value;
      oldest?.close(new PeerlaneError('pending-replaced', 'a newer connection took the place'));
    }
    const randomness = freshRandomness(this.#config.env);
    const connection = this.#connect(wire, accept({ identity: this.#identity, randomness }));
    if (connection.endError === undefined) this.#pendingInbound.add(connection);
  }

  #connect(wire: Wire, handshake: Handshake, dialed?: Dialed): Connection {
    const { env, protocols } = this.#config;
    this.#context ??= {
      env,
      protocols,
      hello: this.#hello(),
      lanes: this.#lanes,
      budgets: this.#budgets,
    };
    const connection = new Connection(this.#context, {
      wire,
      inbound: dialed === undefined,
      handshake,
      owner: dialed === undefined ? this.#owner : this.#ownerOf(dialed),
    });
    if (!connection.isGone) this.#connections.add(connection);
    return connection;
  }

  #ownerOf(dialed: Dialed | undefined): ConnectionOwner {
    return {
      identified: (connection, remoteId) => this.#identified(connection, remoteId),
      opened: (connection, peer) => this.#opened(connection, peer, dialed),
      closed: (connection, error) => this.#closed(connection, error, dialed),
      handlerFailed: (connection, error) =>
        this.#config.onEvent({ kind: 'handler-failed', peer: connection.peer, error }),
      gone: (connection) => this.#connections.delete(connection),
    };
  }

  #hello(): Hello {
    const { name, protocols } = this.#config;
    return {
      version: P2P_VERSION,
      clientId: name,
      capabilities: protocols.map(({ name, version }) => ({ name, version })),
      listenPort: this.#listener?.port ?? 0,
      id: this.id,
    };
  }

  /** The slots are looked at twice: before Hello to spare the work, after it because others may have come in. */
  #identified({ inbound }: Connection, remoteId: Uint8Array): void {
    const key = toBareHex(remoteId);
    this.#peers.place(key, inbound, !inbound || this.#dialer.keeps(key));
  }

  #opened(connection: Connection, info: PeerInfo, dialed: Dialed | undefined): void {
    const { env, onEvent } = this.#config;
    const { inbound } = connection;
    const key = toBareHex(info.id);
    // Whom the user has given, by `staticNodes`, `addPeer` or `dial`, is beyond the limits.
    const isStatic = inbound ? this.#dialer.keeps(key) : !this.#dialer.needsSlot(key);
    const displaced = this.#peers.place(key, inbound, isStatic);
    const peer = new Peer(connection, info, env.now());
    this.#pendingInbound.delete(connection);
    this.#peers.add(key, peer, connection, isStatic);
    // Not before: the slot would be free for a moment, and somebody would be dialed for it.
    displaced?.close(tooManyPeers());
    dialed?.resolve(peer);
    onEvent({ kind: 'peer-connected', peer: info });
  }

  #closed(connection: Connection, error: PeerlaneError, dialed: Dialed | undefined): void {
    const { onEvent } = this.#config;
    this.#pendingInbound.delete(connection);
    dialed?.reject(error);
    const { peer, inbound, remoteAddress, remotePort } = connection;
    const key = peer === undefined ? '' : toBareHex(peer.id);
    if (peer !== undefined && this.#peers.remove(key, connection)) {
      onEvent({ kind: 'peer-disconnected', peer, error, redialInMs: this.#dialer.redialInMs(key) });
    } else {
      onEvent({ kind: 'connection-failed', inbound, remoteAddress, remotePort, error });
    }
    this.#dialer.plan();
  }

  // Outbound

  async #connectTo(enode: Enode, signal: AbortSignal): Promise<Peer> {
    const { env } = this.#config;
    const wire = await connectTcp(
      { host: enode.host, port: enode.tcpPort },
      { timeoutMs: DIAL_TIMEOUT_MS, signal },
    );
    if (signal.aborted) {
      wire.destroy();
      throw abortedError(signal);
    }
    return await new Promise<Peer>((resolve, reject) => {
      const handshake = initiate({
        identity: this.#identity,
        randomness: freshRandomness(env),
        remoteId: enode.publicKey,
      });
      const connection = this.#connect(wire, handshake, { resolve, reject });
      onAbort(signal, () => {
        if (connection.peer === undefined) connection.close(abortedError(signal));
      });
    });
  }
}

/** A dial that waits for its peer. */
interface Dialed {
  readonly resolve: (peer: Peer) => void;
  readonly reject: (error: PeerlaneError) => void;
}
