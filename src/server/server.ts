import { abortedError, onAbort, throwIfAborted } from '../base/abort.ts';
import { equalBytes, toBareHex } from '../base/bytes.ts';
import type { Timer } from '../base/env.ts';
import { PeerlaneError, toPeerlaneError } from '../base/errors.ts';
import { parseIpv4, parseIpv6 } from '../base/ip.ts';
import { type Enode, formatEnode, parseEnode, signRecord } from '../enr/index.ts';
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
import { Connection, type ConnectionOwner } from './connection.ts';
import { type DialCandidate, planDials } from './dialer.ts';
import { Dials } from './dials.ts';
import { Lanes } from './lanes.ts';
import { Peer } from './peer.ts';

/** Where a node is reached, on its own machine, that listens on all addresses of a family. */
const LOOPBACK: ReadonlyMap<string, string> = new Map([
  ['0.0.0.0', '127.0.0.1'],
  ['::', '::1'],
]);

interface Candidate {
  readonly enode: Enode;
  isStatic: boolean;
  dialedAt: number | undefined;
}

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
  readonly #lanes: Lanes;
  readonly #budgets: Budgets;
  readonly #candidates = new Map<string, Candidate>();
  readonly #dials: Dials;
  /** All connections whose sockets are open, peers included. */
  readonly #connections = new Set<Connection>();
  /** Inbound connections that have not become peers yet, oldest first. */
  readonly #pendingInbound = new Set<Connection>();
  readonly #peers = new Map<
    string,
    { readonly peer: Peer; readonly connection: Connection; readonly isStatic: boolean }
  >();
  #listener: Listener | undefined;
  #state: 'new' | 'running' | 'closed' = 'new';
  #dialTimer: Timer | undefined;
  #closing: Promise<void> | undefined;

  /** @throws PeerlaneError `invalid-argument`, `invalid-secret-key`, `invalid-enode` */
  constructor(options: ServerOptions) {
    this.#config = checkServerOptions(options);
    this.#identity = identityOf(this.#config.key);
    this.#lanes = new Lanes(this.#config.env);
    this.#budgets = budgetsOf(this.#config);
    this.#dials = new Dials(
      (key, enode, signal) => this.#dialOnce(key, enode, signal),
      () => this.#planDials(),
    );
    for (const enode of this.#config.bootnodes) this.#addCandidate(enode, false);
    for (const enode of this.#config.staticNodes) this.#addCandidate(enode, true);
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
      onEvent({ kind: 'listening', enode: this.enode, enr: this.enr });
    }
    this.#planDials();
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
    const { host = '0.0.0.0', port = 0 } = this.#listener ?? {};
    return formatEnode({ publicKey: this.id, host: LOOPBACK.get(host) ?? host, tcpPort: port, udpPort: 0 });
  }

  /** The node's record in text form (EIP-778), with the address that it listens on. */
  get enr(): string {
    const { host = '', port } = this.#listener ?? {};
    // A host name, or an address that stands for all, is no address to be reached at.
    const ip = parseIpv4(host) !== undefined && !LOOPBACK.has(host) ? { ip: host } : {};
    const ip6 = parseIpv6(host) !== undefined && !LOOPBACK.has(host) ? { ip6: host } : {};
    const tcp = port === undefined ? {} : host.includes(':') ? { tcp6: port } : { tcp: port };
    const seq = BigInt(Math.floor(this.#config.env.unixTime()));
    return signRecord(this.#config.key, { seq, entries: { ...ip, ...ip6, ...tcp } }).toString();
  }

  get peers(): readonly Peer[] {
    return [...this.#peers.values()].map(({ peer }) => peer);
  }

  /**
   * Keeps a node connected from now on, whatever the limits.
   * @throws PeerlaneError `invalid-enode`, `connected-to-self`
   */
  addPeer(enode: string): void {
    const parsed = parseEnode(enode);
    this.#refuseSelf(parsed.publicKey);
    this.#addCandidate(parsed, true);
    this.#planDials();
  }

  /** Stops keeping a node connected, and disconnects it. @throws PeerlaneError `invalid-enode` */
  removePeer(enode: string): void {
    const key = toBareHex(parseEnode(enode).publicKey);
    this.#candidates.delete(key);
    this.#dials.abort(key);
    this.#peers.get(key)?.peer.disconnect();
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
    const connected = this.#peers.get(key);
    if (connected !== undefined) return connected.peer;
    return await this.#dials.join(key, parsed, signal);
  }

  /**
   * Sends a message to all peers, or to `peers`, that share its protocol: compressed once, framed for all in one
   * batch. Those that still have not taken what they were sent before are skipped rather than waited for. Resolves
   * when the frames have been handed to the sockets.
   * @throws PeerlaneError `closed`, `invalid-argument`, `message-code-out-of-range`, `message-too-large`
   */
  async broadcast(message: Broadcast, peers: Iterable<Peer> = this.peers): Promise<BroadcastResult> {
    if (this.#state !== 'running') throw new PeerlaneError('closed', 'the server is not running');
    const { env } = this.#config;
    return await broadcastTo(peers, message, () => new Promise((resolve) => void env.setImmediate(resolve)));
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
    this.#dialTimer?.cancel();
    const listening = this.#listener?.close();
    this.#dials.abortAll();
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

  #addCandidate(enode: Enode, isStatic: boolean): void {
    if (equalBytes(enode.publicKey, this.id)) return;
    const key = toBareHex(enode.publicKey);
    const known = this.#candidates.get(key);
    this.#candidates.set(key, {
      enode,
      isStatic: isStatic || known?.isStatic === true,
      dialedAt: known?.dialedAt,
    });
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
    const connection = this.#connect(wire, true, accept({ identity: this.#identity, randomness }));
    if (!connection.signal.aborted) this.#pendingInbound.add(connection);
  }

  #connect(wire: Wire, inbound: boolean, handshake: Handshake, dialed?: DialedConnection): Connection {
    const { env, protocols } = this.#config;
    const owner: ConnectionOwner = {
      identified: (connection, remoteId) => this.#identified(connection, remoteId, dialed),
      opened: (connection, peer) => this.#opened(connection, peer, dialed),
      closed: (connection, error) => this.#closed(connection, error, dialed),
      handlerFailed: (connection, error) =>
        this.#config.onEvent({ kind: 'handler-failed', peer: connection.peer, error }),
    };
    const connection = new Connection({
      env,
      wire,
      inbound,
      handshake,
      protocols,
      owner,
      hello: this.#hello(),
      lanes: this.#lanes,
      budgets: this.#budgets,
    });
    this.#connections.add(connection);
    void connection.finished.then(() => this.#connections.delete(connection));
    return connection;
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
  #identified(connection: Connection, remoteId: Uint8Array, dialed: DialedConnection | undefined): void {
    const key = toBareHex(remoteId);
    if (this.#peers.has(key)) throw new PeerlaneError('already-connected', 'the node is connected already');
    const isStatic = dialed !== undefined || this.#candidates.get(key)?.isStatic === true;
    if (!isStatic && this.#full() && this.#replaceable(connection) === undefined) throw tooManyPeers();
  }

  #opened(connection: Connection, info: PeerInfo, dialed: DialedConnection | undefined): void {
    const { env, onEvent } = this.#config;
    const key = toBareHex(info.id);
    if (this.#peers.has(key)) throw new PeerlaneError('already-connected', 'the node is connected already');
    const isStatic = dialed?.isStatic === true || this.#candidates.get(key)?.isStatic === true;
    if (!isStatic && this.#full()) {
      const provisional = dialed === undefined ? this.#replaceable(connection) : undefined;
      if (provisional === undefined) throw tooManyPeers();
      provisional.close(tooManyPeers());
    }
    const peer = new Peer(connection, info, env.now());
    this.#pendingInbound.delete(connection);
    this.#peers.set(key, { peer, connection, isStatic });
    dialed?.resolve(peer);
    onEvent({ kind: 'peer-connected', peer: info });
  }

  #closed(connection: Connection, error: PeerlaneError, dialed: DialedConnection | undefined): void {
    const { onEvent } = this.#config;
    this.#pendingInbound.delete(connection);
    dialed?.reject(error);
    const { peer, inbound, remoteAddress, remotePort } = connection;
    const key = peer === undefined ? '' : toBareHex(peer.id);
    if (peer !== undefined && this.#peers.get(key)?.connection === connection) {
      this.#peers.delete(key);
      onEvent({ kind: 'peer-disconnected', peer, error });
    } else {
      onEvent({ kind: 'connection-failed', inbound, remoteAddress, remotePort, error });
    }
    this.#planDials();
  }

  #full(): boolean {
    let count = 0;
    for (const { isStatic } of this.#peers.values()) if (!isStatic) count++;
    return count >= this.#config.maxPeers;
  }

  /** The oldest inbound peer that no protocol has confirmed yet. */
  #replaceable(newcomer: Connection): Connection | undefined {
    for (const { connection, isStatic } of this.#peers.values()) {
      if (!isStatic && connection.inbound && !connection.confirmedPeer && connection !== newcomer)
        return connection;
    }
    return undefined;
  }

  // Outbound

  #planDials(): void {
    if (this.#state !== 'running') return;
    const { env, maxPendingPeers, maxPeers, maxDialedPeers } = this.#config;
    this.#dialTimer?.cancel();
    this.#dialTimer = undefined;
    const candidates: DialCandidate[] = [...this.#candidates].map(([key, { isStatic, dialedAt }]) => ({
      key,
      isStatic,
      dialedAt,
    }));
    let [dialed, counted] = [0, 0];
    for (const { connection, isStatic } of this.#peers.values()) {
      if (isStatic) continue;
      counted++;
      if (!connection.inbound) dialed++;
    }
    const now = env.now();
    const plan = planDials({
      now,
      candidates,
      busy: new Set([...this.#peers.keys(), ...this.#dials.keys()]),
      pending: this.#dials.size,
      maxPending: maxPendingPeers,
      freeSlots: Math.min(maxDialedPeers - dialed, maxPeers - counted) - this.#dynamicAttempts(),
    });
    for (const key of plan.dial) {
      const candidate = this.#candidates.get(key);
      if (candidate === undefined) continue;
      candidate.dialedAt = now;
      this.#dials.begin(key, candidate.enode).catch((error: unknown) => {
        const enode = formatEnode(candidate.enode);
        this.#config.onEvent({ kind: 'dial-failed', enode, error: toPeerlaneError(error) });
      });
    }
    if (plan.nextAt !== Number.POSITIVE_INFINITY) {
      this.#dialTimer = env.setTimer(Math.max(0, plan.nextAt - now), () => this.#planDials());
    }
  }

  #dynamicAttempts(): number {
    let count = 0;
    for (const key of this.#dials.keys()) if (this.#candidates.get(key)?.isStatic !== true) count++;
    return count;
  }

  async #dialOnce(key: string, enode: Enode, signal: AbortSignal): Promise<Peer> {
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
      const isStatic = this.#candidates.get(key)?.isStatic !== false;
      const handshake = initiate({
        identity: this.#identity,
        randomness: freshRandomness(env),
        remoteId: enode.publicKey,
      });
      const connection = this.#connect(wire, false, handshake, { isStatic, resolve, reject });
      onAbort(signal, () => {
        if (connection.peer === undefined) connection.close(abortedError(signal));
      });
    });
  }
}

/** What a dial that waits for its peer gives the connection. */
interface DialedConnection {
  /** Given by the user, by `staticNodes`, `addPeer` or `dial`, and therefore beyond the limits. */
  readonly isStatic: boolean;
  readonly resolve: (peer: Peer) => void;
  readonly reject: (error: PeerlaneError) => void;
}

function tooManyPeers(): PeerlaneError {
  return new PeerlaneError('too-many-peers', 'all peer slots are taken');
}
