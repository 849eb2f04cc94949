import { throwIfAborted } from '../base/abort.ts';
import { equalBytes, toBareHex } from '../base/bytes.ts';
import { signalOf } from '../base/checks.ts';
import { PeerlaneError, toPeerlaneError } from '../base/errors.ts';
import { type Enode, formatEnode, parseEnode } from '../enr/index.ts';
import { addressRefused, type Endpoint, type Listener, listenTcp, type Wire } from '../io/tcp.ts';
import type { PeerInfo } from '../p2p/index.ts';
import { Admission } from './admission.ts';
import { type Broadcast, type BroadcastResult, broadcastTo } from './broadcast.ts';
import { budgetsOf } from './budgets.ts';
import { checkServerOptions, type ServerConfig, type ServerOptions } from './config.ts';
import type { Connection, ConnectionOwner } from './connection.ts';
import { Connector, type Dialed } from './connector.ts';
import { Dialer, type DialFailure } from './dialer.ts';
import { Discovery } from './discovery.ts';
import { Lanes } from './lanes.ts';
import { endpointsOf, type LocalEndpoints, LocalNode } from './local-node.ts';
import { NodeNat } from './nat/node-nat.ts';
import { mayBeDialed } from './net-restrict.ts';
import { NodeNotes } from './node-notes.ts';
import { Peer } from './peer.ts';
import { PeerSet, tooManyPeers } from './peers.ts';
import { PendingInbound } from './pending-inbound.ts';

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
  readonly #local: LocalNode;
  readonly #nat: NodeNat;
  readonly #notes: NodeNotes;
  readonly #discovery: Discovery | undefined;
  readonly #lanes: Lanes;
  readonly #peers: PeerSet;
  readonly #dialer: Dialer;
  readonly #connector: Connector;
  readonly #pendingInbound: PendingInbound;
  readonly #admission: Admission;
  /** Keys of nodes that are let in whatever the limits, and not dialed for that. */
  readonly #trusted: Set<string>;
  #listener: Listener | undefined;
  #state: 'new' | 'running' | 'closed' = 'new';
  #closing: Promise<void> | undefined;

  /** @throws PeerlaneError `invalid-argument`, `invalid-secret-key`, `invalid-enode` */
  constructor(options: ServerOptions) {
    this.#config = checkServerOptions(options);
    const budgets = budgetsOf(this.#config);
    this.#lanes = new Lanes(this.#config.env, budgets.blocks);
    this.#connector = new Connector({
      ...this.#config,
      ...{ lanes: this.#lanes, budgets },
      listenPort: () => this.#listener?.port ?? 0,
      ownerOf: (dialed) => this.#ownerOf(dialed),
    });
    this.#peers = new PeerSet(this.#config);
    const { key, env, maxPendingPeers: maxPending, discovery, nodeDatabase: database } = this.#config;
    this.#pendingInbound = new PendingInbound(maxPending);
    this.#admission = new Admission(env, this.#config.allows);
    this.#trusted = new Set(this.#config.trustedNodes.map(({ publicKey }) => toBareHex(publicKey)));
    this.#notes = new NodeNotes(database, env);
    const failed = (error: unknown): void => this.#recordFailed(error);
    const { onEvent } = this.#config;
    const moved = () => onEvent({ kind: 'endpoint-changed', enode: this.enode, enr: this.enr });
    this.#local = new LocalNode({ key, env, entries: discovery?.recordEntries, database, failed, moved });
    this.#nat = new NodeNat({ ...this.#config, local: this.#local, moved, failed });
    this.#dialer = new Dialer({
      env,
      maxPending,
      peers: this.#peers,
      connect: (enode, signal) => this.#connector.dial(enode, signal),
      failed: (failure) => this.#dialFailed(failure),
      planned: () => this.#discovery?.wake(),
    });
    const isOther = ({ publicKey }: Enode) => !equalBytes(publicKey, this.id);
    const bootnodes = this.#config.bootnodes.filter(isOther);
    const staticNodes = this.#config.staticNodes.filter(isOther);
    // v4 begins with bootnodes, and finds out whether they are nodes to be dialed.
    if (discovery?.v4 !== true) for (const enode of bootnodes) this.#dialer.add(enode, false);
    for (const enode of staticNodes) this.#dialer.add(enode, true);
    const [local, notes, dialer, publicKey] = [this.#local, this.#notes, this.#dialer, this.id];
    const shared = { ...this.#config, bootnodes, staticNodes, local, notes, dialer, publicKey };
    this.#discovery = discovery && new Discovery({ ...shared, ...discovery });
  }

  /**
   * Starts to listen, to find nodes and to dial.
   * @throws PeerlaneError `port-in-use`, `listen-failed`, `closed`; `invalid-argument`, `invalid-record` when
   * `discovery.recordEntries` throws or gives no entries; what the node database throws
   */
  async start(): Promise<void> {
    if (this.#state !== 'new') throw new PeerlaneError('closed', 'a server starts once');
    this.#state = 'running';
    const { listen, onEvent } = this.#config;
    try {
      await this.#local.load();
      this.#requireOpen();
      if (listen !== undefined) await this.#listen(listen);
      await this.#discovery?.start(this.#listener);
      this.#requireOpen();
      this.#local.listens(this.#endpoints);
    } catch (error) {
      const isClosed = this.#isClosed;
      await this.close();
      throw isClosed ? closedWhileStarting() : error;
    }
    if (listen !== undefined) onEvent({ kind: 'listening', enode: this.enode, enr: this.enr });
    this.#dialer.start();
    this.#discovery?.wake();
    this.#nat.start(this.#endpoints);
  }

  get #endpoints(): LocalEndpoints {
    return endpointsOf(this.#listener, this.#discovery?.endpoint, this.#config.externalIp);
  }

  async #listen(listen: Endpoint): Promise<void> {
    const listener = await listenTcp(listen, {
      accept: (wire) => this.#accept(wire),
      failed: (error) => this.#config.onEvent({ kind: 'listener-failed', error }),
    });
    if (this.#isClosed) await listener.close();
    this.#requireOpen();
    this.#listener = listener;
    this.#connector.listens();
  }

  #requireOpen(): void {
    if (this.#isClosed) throw closedWhileStarting();
  }

  get #isClosed(): boolean {
    return this.#state === 'closed';
  }

  /** The node's 64-byte public key. */
  get id(): Uint8Array {
    return this.#connector.publicKey;
  }

  /**
   * `enode://...` with `externalIp` or the address that the server listens on, and its port, 0 when it does not listen.
   * When it listens on all of them, it is the address at which enough nodes say that they see it, and until then loopback.
   * `discport` is the port of discovery where that is another, and 0 without discovery.
   */
  get enode(): string {
    return this.#local.enode;
  }

  /**
   * The node's record in text form (EIP-778), with `externalIp` or the address that it listens on. When it listens on
   * all of them, the record has an address as soon as enough nodes say at which one they see it.
   */
  get enr(): string {
    return this.#local.record.toString();
  }

  /** Finds nodes; undefined when that is off. */
  get discovery(): Discovery | undefined {
    return this.#discovery;
  }

  get peers(): readonly Peer[] {
    return this.#peers.peers;
  }

  /**
   * Keeps a node connected from now on, whatever the limits.
   * @throws PeerlaneError `invalid-enode`, `connected-to-self`, `address-refused`
   */
  addPeer(enode: string): void {
    const parsed = parseEnode(enode);
    this.#refuseSelf(parsed.publicKey);
    if (!mayBeDialed(parsed, this.#config.allows)) throw addressRefused(parsed.host);
    this.#dialer.add(parsed, true);
  }

  /** Stops keeping a node connected, and disconnects it. @throws PeerlaneError `invalid-enode` */
  removePeer(enode: string): void {
    const key = toBareHex(parseEnode(enode).publicKey);
    this.#dialer.remove(key);
    this.#peers.get(key)?.disconnect();
  }

  /** Lets a node in whatever the limits from now on; it is not dialed for that. @throws PeerlaneError `invalid-enode` */
  addTrustedPeer(enode: string): void {
    this.#trusted.add(toBareHex(parseEnode(enode).publicKey));
  }

  /** The limits hold for the node again; if it is connected, it stays. @throws PeerlaneError `invalid-enode` */
  removeTrustedPeer(enode: string): void {
    this.#trusted.delete(toBareHex(parseEnode(enode).publicKey));
  }

  /**
   * Connects to a node once; resolves when Hellos have been exchanged.
   * @throws PeerlaneError what the dial or the handshake failed with, `remote-disconnect`, `aborted`, `closed`,
   * `invalid-argument`, `invalid-enode`; `address-refused` by `netRestrict` or `netDeny`
   */
  async dial(enode: string, options: { readonly signal?: AbortSignal } = {}): Promise<Peer> {
    const signal = signalOf(options);
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
    const unmapped = this.#nat.close();
    const undiscovered = this.#discovery?.close();
    const connections = [...this.#connector.connections];
    for (const connection of connections) {
      connection.close(new PeerlaneError('server-closing', 'the server is closing'));
    }
    await Promise.all(connections.map(({ finished }) => finished));
    await Promise.all([listening, undiscovered, unmapped]);
  }

  #recordFailed(error: unknown): void {
    if (this.#isClosed) return;
    const failure = { part: 'record', error: toPeerlaneError(error), retryInMs: undefined } as const;
    this.#config.onEvent({ kind: 'discovery-failed', ...failure });
  }

  #dialFailed({ enode, error, redialInMs, isFound }: DialFailure): void {
    this.#notes.dialFailed(enode, error);
    this.#config.onEvent({ kind: 'dial-failed', enode: formatEnode(enode), error, redialInMs, isFound });
  }

  #refuseSelf(publicKey: Uint8Array): void {
    if (equalBytes(publicKey, this.id)) {
      throw new PeerlaneError('connected-to-self', 'the enode URL is that of this node');
    }
  }

  // Connections

  #accept(wire: Wire): void {
    if (this.#state !== 'running') {
      wire.destroy();
      return;
    }
    const { remoteAddress, remotePort } = wire;
    const error = this.#admission.refusal(remoteAddress);
    if (error !== undefined) {
      wire.destroy();
      this.#config.onEvent({ kind: 'connection-failed', inbound: true, remoteAddress, remotePort, error });
      return;
    }
    this.#pendingInbound.makeRoom();
    this.#pendingInbound.add(this.#connector.accept(wire));
  }

  #ownerOf(dialed: Dialed | undefined): Omit<ConnectionOwner, 'gone'> {
    return {
      identified: (connection, remoteId) => this.#identified(connection, remoteId),
      opened: (connection, peer) => this.#opened(connection, peer, dialed),
      closed: (connection, error) => this.#closed(connection, error, dialed),
      handlerFailed: (connection, error) =>
        this.#config.onEvent({ kind: 'handler-failed', peer: connection.peer, error }),
    };
  }

  /** The slots are looked at twice: before Hello to spare the work, after it because others may have come in. */
  #identified(connection: Connection, remoteId: Uint8Array): void {
    const key = toBareHex(remoteId);
    this.#peers.place(key, connection, !connection.inbound || this.#isKept(key));
  }

  /** Whom the user has named: beyond the limits. */
  #isKept(key: string): boolean {
    return this.#dialer.keeps(key) || this.#trusted.has(key);
  }

  #opened(connection: Connection, info: PeerInfo, dialed: Dialed | undefined): void {
    const { env, onEvent } = this.#config;
    const { inbound } = connection;
    const key = toBareHex(info.id);
    // Whom the user has given, by `staticNodes`, `addPeer` or `dial`, is beyond the limits.
    const isStatic = this.#isKept(key) || (!inbound && !this.#dialer.needsSlot(key));
    const displaced = this.#peers.place(key, connection, isStatic);
    const peer = new Peer(connection, info, env.now());
    this.#pendingInbound.delete(connection);
    this.#peers.add(key, peer, connection, isStatic);
    // Not before: the slot would be free for a moment, and somebody would be dialed for it.
    displaced?.close(tooManyPeers());
    this.#notes.connected(info, dialed?.enode);
    dialed?.resolve(peer);
    onEvent({ kind: 'peer-connected', peer: info });
  }

  #closed(connection: Connection, error: PeerlaneError, dialed: Dialed | undefined): void {
    const { env, onEvent } = this.#config;
    this.#pendingInbound.delete(connection);
    dialed?.reject(error);
    const { peer, inbound, remoteAddress, remotePort } = connection;
    const key = peer === undefined ? '' : toBareHex(peer.id);
    const connectedAt = this.#peers.get(key)?.connectedAt ?? 0;
    if (peer !== undefined && this.#peers.remove(key, connection)) {
      this.#dialer.left(key, env.now() - connectedAt);
      onEvent({ kind: 'peer-disconnected', peer, error, redialInMs: this.#dialer.redialInMs(key) });
    } else {
      onEvent({ kind: 'connection-failed', inbound, remoteAddress, remotePort, error });
    }
    this.#dialer.plan();
  }
}

function closedWhileStarting(): PeerlaneError {
  return new PeerlaneError('closed', 'the server was closed while it started');
}
