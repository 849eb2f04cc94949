import { throwIfAborted } from '../base/abort.ts';
import { equalBytes, toBareHex } from '../base/bytes.ts';
import { signalOf } from '../base/checks.ts';
import { Closing } from '../base/closing.ts';
import { PeerlaneError, toPeerlaneError } from '../base/errors.ts';
import { type Enode, formatEnode, nodeIdOf } from '../enr/index.ts';
import { addressRefused, type Wire } from '../io/tcp.ts';
import type { ServerMetrics } from '../observe/index.ts';
import type { Ban } from './ban-codec.ts';
import { BanStore } from './ban-store.ts';
import { banTarget } from './ban-target.ts';
import { type BanOptions, Bans, type BanTarget, banNameOf, checkBanOptions } from './bans.ts';
import { type GivenNode, parseDialedNode, parseNode, publicKeyOfNode } from './bootnodes.ts';
import { type Broadcast, type BroadcastResult, broadcastTo } from './broadcast.ts';
import { type Budgets, budgetsOf } from './budgets.ts';
import { bannedError, Conduct } from './conduct.ts';
import { checkServerOptions, type ServerConfig, type ServerOptions } from './config.ts';
import { Connector } from './connector.ts';
import { type Diagnosis, diagnose } from './diagnosis.ts';
import { type DialTarget, hostsOf, isAllowed, withRecordEndpoints } from './dial-target.ts';
import { Dialer } from './dialer.ts';
import type { DialFailure } from './dialer-options.ts';
import { serverClosedError } from './dials.ts';
import { Discovery } from './discovery.ts';
import type { ServerEvent } from './events.ts';
import { Lanes } from './lanes.ts';
import { type MetricsStreamOptions, metricsStream } from './metrics-stream.ts';
import type { NodeLogEntry } from './node-logs.ts';
import { NodeNotes } from './node-notes.ts';
import { Observations } from './observations.ts';
import type { Peer } from './peer.ts';
import { PeerSet } from './peers.ts';
import { Reception } from './reception.ts';
import type { ReputationHistory } from './reputation.ts';
import { type MeteredParts, ServerMeter } from './server-meter.ts';
import { Trusted } from './trusted.ts';
import { Whereabouts } from './whereabouts.ts';

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
  readonly #whereabouts: Whereabouts;
  readonly #notes: NodeNotes;
  readonly #discovery: Discovery | undefined;
  readonly #lanes: Lanes;
  readonly #peers: PeerSet;
  readonly #dialer: Dialer;
  readonly #connector: Connector;
  readonly #reception: Reception;
  readonly #observations: Observations;
  readonly #meter: ServerMeter;
  readonly #ending = new Closing();
  readonly #bans: Bans;
  readonly #banStore: BanStore;
  readonly #conduct: Conduct;
  /** Not dialed for that. */
  readonly #trusted = new Trusted();
  #state: 'new' | 'running' | 'closed' = 'new';
  #closing: Promise<void> | undefined;

  /** @throws PeerlaneError `invalid-argument`, `invalid-secret-key`, `invalid-enode` */
  constructor(options: ServerOptions) {
    this.#config = checkServerOptions(options);
    const budgets = budgetsOf(this.#config);
    const meter = new ServerMeter({ ...this.#config, parts: () => this.#meteredParts(budgets) });
    this.#meter = meter;
    this.#lanes = new Lanes(this.#config.env, budgets.blocks, (way, lanes) => meter.lanesFilled(way, lanes));
    this.#connector = new Connector({
      ...this.#config,
      ...{ lanes: this.#lanes, budgets, traffic: meter.traffic },
      listenPort: (ip) => this.#whereabouts.portFor(ip),
      banOfAddress: (ip) => this.#conduct.banOfAddress(ip),
      ownerOf: (dialed) => this.#reception.ownerOf(dialed),
    });
    this.#peers = new PeerSet(this.#config);
    const { env, maxPendingPeers: maxPending, discovery, nodeDatabase: database } = this.#config;
    this.#observations = new Observations(env);
    this.#bans = new Bans(env);
    for (const node of this.#config.trustedNodes) this.#trusted.add(node);
    this.#notes = new NodeNotes(database, env);
    const { onEvent } = this.#config;
    const tell = (event: ServerEvent): void => {
      this.#observations.heard(event);
      onEvent(event);
    };
    const bansFailed = (error: PeerlaneError) => onEvent({ kind: 'bans-failed', error });
    const kept = { bans: this.#bans, id: nodeIdOf(this.id), database, env };
    this.#banStore = new BanStore({ ...kept, failed: bansFailed });
    this.#conduct = new Conduct({
      ...{ env, bans: this.#bans, policy: this.#config.policy, onEvent: tell },
      isPeer: (key) => this.#peers.get(key) !== undefined,
      others: (key) => this.#peers.size - (this.#peers.get(key) === undefined ? 0 : 1),
      isKept: (key) => this.#reception.isKept(key),
      isKeptAt: (name) => this.#trusted.hasAt(name) || this.#dialer.keepsAt(name),
      drop: (key, error) => this.#peers.get(key)?.disconnect(error),
      banned: () => this.#banStore.changed(),
    });
    this.#whereabouts = new Whereabouts({
      ...{ ...this.#config, onEvent: tell },
      accept: (wire) => this.#accept(wire),
      failed: (error) => this.#recordFailed(error),
    });
    this.#dialer = new Dialer({
      env,
      maxPending,
      peers: this.#peers,
      connect: (...dial) => meter.dialing(() => this.#connector.dial(...dial)),
      shunnedForMs: (target) => this.#conduct.shunnedForMs(toBareHex(target.publicKey), hostsOf(target)),
      failed: (failure) => this.#dialFailed(failure),
      planned: () => {
        this.#discovery?.wake();
        this.#reception.dialsPlanned();
      },
      resolve: async (publicKey, signal) =>
        discovery?.hasUdp === true ? await this.#discovery?.resolve(publicKey, { signal }) : undefined,
      moved: (target) => this.#observations.moved(target),
      crowded: (target) => this.#observations.crowded(target),
      searched: (target, error) => this.#observations.notMoved(target, error),
    });
    const [{ local }, notes, dialer, publicKey] = [this.#whereabouts, this.#notes, this.#dialer, this.id];
    const [observations, trusted, conduct] = [this.#observations, this.#trusted, this.#conduct];
    this.#reception = new Reception({
      ...{ env, maxPending, onEvent, allows: this.#config.allows, publicKey, trusted, conduct, meter },
      ...{ peers: this.#peers, dialer, notes, observations },
      hasOthersToDial: () => this.#dialer.hasOthers || (this.#discovery?.knownNodes ?? 0) > this.#peers.size,
      begin: (wire) => this.#connector.accept(wire),
    });
    const isOther = ({ publicKey }: Enode) => !equalBytes(publicKey, this.id);
    const bootnodes = this.#config.bootnodes.filter(isOther);
    const staticNodes = this.#config.staticNodes.filter(isOther);
    // Discovery begins with bootnodes, and finds out whether they are nodes to be dialed.
    if (discovery?.hasUdp !== true) for (const node of bootnodes) this.#dialer.add(targetOf(node), false);
    for (const node of staticNodes) this.#dialer.add(targetOf(node), true);
    const shared = { ...this.#config, bootnodes, staticNodes, local, notes, dialer, publicKey, observations };
    this.#discovery =
      discovery && new Discovery({ ...shared, ...discovery, bound: (udp) => this.#whereabouts.bound(udp) });
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
      await this.#whereabouts.local.load();
      await this.#banStore.load();
      this.#requireOpen();
      await this.#whereabouts.open();
      this.#requireOpen();
      await this.#discovery?.start(this.#whereabouts.tcp);
      this.#requireOpen();
      this.#whereabouts.bound(this.#discovery?.endpoints ?? []);
      // Whoever is told of anything may close the server.
      this.#requireOpen();
      if (listen.length > 0) onEvent({ kind: 'listening', ...this.#whereabouts.names });
      this.#requireOpen();
      this.#dialer.start();
      this.#requireOpen();
      this.#discovery?.wake();
      this.#whereabouts.map();
      this.#requireOpen();
    } catch (error) {
      const isClosed = this.#isClosed;
      await this.close();
      throw isClosed ? closedWhileStarting() : error;
    }
  }

  #accept(wire: Wire): void {
    if (this.#state === 'running') this.#reception.accept(wire);
    else wire.destroy();
  }

  #requireOpen(): void {
    if (this.#isClosed) throw closedWhileStarting();
  }

  #requireUnclosed(): void {
    if (this.#isClosed) throw serverClosedError();
  }

  get #isClosed(): boolean {
    return this.#state === 'closed';
  }

  /** The node's 64-byte public key. */
  get id(): Uint8Array {
    return this.#connector.publicKey;
  }

  /**
   * `enode://...` with `externalIp` or the address that the server listens on, of two the first, and its port, 0 when it does not
   * listen. When it listens on all of them, it is the address at which enough nodes say that they see it, and until then loopback.
   * `discport` is the port of discovery where that is another, and 0 without discovery.
   */
  get enode(): string {
    return this.#whereabouts.local.enode;
  }

  /** As `enode`, which is the first, one for each family by which others reach the server, as far as it knows. */
  get enodes(): readonly string[] {
    return this.#whereabouts.local.enodes;
  }

  /**
   * The node's record in text form (EIP-778), with `externalIp` or the address that it listens on, for each family. When it listens
   * on all of them, the record has an address as soon as enough nodes say at which one they see it.
   */
  get enr(): string {
    return this.#whereabouts.local.record.toString();
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
   * @param node its enode URL or record
   * @throws PeerlaneError `invalid-enode`, `invalid-record`, `connected-to-self`, `address-refused`; `closed`: it would be
   * dialed no more; `invalid-argument` for a record without an address, and where nobody can be dialed: at 0.0.0.0, a multicast address, TCP port 0 and the like
   */
  addPeer(node: string): void {
    this.#requireUnclosed();
    const parsed = parseDialedNode(node);
    this.#refuseSelf(parsed.publicKey);
    if (!isAllowed(parsed, this.#config.allows)) throw addressRefused(parsed.host);
    this.#dialer.add(targetOf(parsed), true);
    this.#reception.regrade(toBareHex(parsed.publicKey));
  }

  /**
   * Stops keeping a node connected, and disconnects it. When the server is closed, that is so already.
   * @throws PeerlaneError `invalid-enode`, `invalid-record`, `invalid-argument`
   */
  removePeer(node: string): void {
    const key = toBareHex(publicKeyOfNode(node));
    this.#dialer.remove(key);
    this.#peers.get(key)?.disconnect();
  }

  /**
   * Lets a node in whatever the limits from now on; it is not dialed for that.
   * @param node its enode URL or record
   * @throws PeerlaneError `closed`, `invalid-enode`, `invalid-record`, `address-refused`; `invalid-argument` for a record without an
   * address
   */
  addTrustedPeer(node: string): void {
    this.#requireUnclosed();
    const parsed = parseNode(node);
    if (!isAllowed(parsed, this.#config.allows)) throw addressRefused(parsed.host);
    this.#trusted.add(parsed);
    this.#reception.regrade(toBareHex(parsed.publicKey));
  }

  /**
   * The limits hold for the node again; if it is connected, it stays. Also when the server is closed.
   * @throws PeerlaneError `invalid-enode`, `invalid-record`, `invalid-argument`
   */
  removeTrustedPeer(node: string): void {
    const key = toBareHex(publicKeyOfNode(node));
    this.#trusted.delete(key);
    this.#reception.regrade(key);
  }

  /**
   * Refuses a node, or all nodes at an IP address (IPv6: in its /64), until the ban expires, and disconnects them; also
   * those that are static or trusted. Kept over restarts where there is a node database.
   * @param node an enode URL, a record, a public key (128 hexadecimal digits) or an IP address
   * @throws PeerlaneError `invalid-enode`, `invalid-record`, `invalid-argument`; `closed`: it would not be kept any more
   */
  ban(node: string, options: BanOptions = {}): void {
    this.#requireUnclosed();
    const target = banTarget(node);
    const { kind } = target;
    const { durationMs, reason } = checkBanOptions(options);
    const ban = this.#bans.add(target, durationMs, reason);
    this.#banStore.changed();
    for (const key of this.#keysOf(target)) this.#observations.banned(key, ban);
    for (const { peer, connection } of this.#peers.entries()) {
      const name = kind === 'node' ? toBareHex(peer.info.id) : banNameOf(connection.remoteAddress);
      if (name === target.name) peer.disconnect(bannedError(ban));
    }
  }

  /**
   * Takes a node or an address back; what it did is forgotten. Whether it was banned, as far as is known: `start` reads the bans
   * of earlier runs, and passes over those that were taken back before.
   * @param node as for `ban`
   * @throws PeerlaneError as `ban`
   */
  unban(node: string): boolean {
    this.#requireUnclosed();
    const target = banTarget(node);
    this.#banStore.takenBack(target);
    this.#conduct.forgive(target);
    const wasBanned = this.#bans.remove(target);
    if (wasBanned) {
      this.#banStore.changed();
      for (const key of this.#keysOf(target)) this.#observations.unbanned(key);
    }
    this.#dialer.forgive(target);
    return wasBanned;
  }

  /** Who is banned now, by the user or for what it did; those of earlier runs as soon as the server has started. */
  get bans(): readonly Ban[] {
    return this.#bans.all.map((ban) => ({ ...ban }));
  }

  /** The scores of the nodes of which something is known, connected or not: for a histogram. */
  reputations(): Iterable<number> {
    return this.#conduct.scores();
  }

  /**
   * How a node has behaved of late.
   * @param node as for `log`
   * @throws PeerlaneError `invalid-enode`, `invalid-record`, `invalid-argument`
   */
  reputation(node: string): ReputationHistory {
    return this.#conduct.history(toBareHex(publicKeyOfNode(node)));
  }

  /**
   * How all nodes have behaved of which something is known, connected or not, by the hex of their public keys: for a dry run of a
   * policy with `replayPolicy`.
   */
  reputationHistories(): Iterable<readonly [publicKey: string, history: ReputationHistory]> {
    return this.#conduct.histories();
  }

  /**
   * Connects to a node, by its enode URL or record, once; resolves when Hellos have been exchanged. Who is asked for by name is
   * connected whatever the limits, `maxPeers` too.
   * @throws PeerlaneError what the dial or the handshake failed with, `remote-disconnect`, `aborted`, `closed`, `banned`,
   * `invalid-argument`, `invalid-enode`, `invalid-record`; `address-refused` by `netRestrict` or `netDeny`
   */
  async dial(node: string, options: { readonly signal?: AbortSignal } = {}): Promise<Peer> {
    const signal = signalOf(options);
    throwIfAborted(signal);
    if (this.#state !== 'running') throw new PeerlaneError('closed', 'the server is not running');
    const parsed = parseDialedNode(node);
    this.#refuseSelf(parsed.publicKey);
    const key = toBareHex(parsed.publicKey);
    const target = targetOf(parsed);
    const ban = this.#conduct.banOfPlaces(key, hostsOf(target));
    if (ban !== undefined) throw bannedError(ban);
    const peer = this.#peers.get(key);
    if (peer !== undefined) return peer;
    try {
      return await this.#dialer.dial(key, target, signal);
    } catch (error) {
      // It has dialed us meanwhile, and that connection was the first.
      const other = this.#peers.get(key);
      if (other !== undefined && !signal?.aborted) return other;
      this.#observations.callFailed(parsed.publicKey, toPeerlaneError(error));
      throw error;
    }
  }

  /**
   * What has happened with a node of late, the oldest first: found, dialed in vain, connected, disconnected, refused, and why.
   * Of the 4,096 nodes that were heard of last the last 16 entries are kept; equal ones in a row count as one.
   * @param node its enode URL, record or public key, 128 hexadecimal digits
   * @throws PeerlaneError `invalid-enode`, `invalid-record`; `invalid-argument` for a record without an address
   */
  log(node: string): readonly NodeLogEntry[] {
    return this.#observations.log(publicKeyOfNode(node));
  }

  /** Why there are no or few peers, as far as the server can tell, and what to do about it. */
  diagnose(): Diagnosis {
    const { maxPeers, bootnodes, staticNodes } = this.#config;
    const { kept: missing, all: candidates, shunned } = this.#dialer.waiting;
    const { v4, v5, clockSkew } = this.#discovery?.facts ?? {};
    const isDiscovering = this.#discovery?.hasSources === true;
    const hasNodes = bootnodes.length + staticNodes.length + this.#peers.size + candidates > 0;
    return diagnose({
      state: this.#state,
      ...this.#observations.facts(),
      ...this.#peers.counts,
      ...{ maxPeers, missing, candidates, shunned, v4, v5, clockSkew },
      ...this.#whereabouts.facts,
      hasSources: hasNodes || isDiscovering,
      hasOthers: bootnodes.length > 0 || candidates > missing || isDiscovering,
    });
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

  /** What the server counts of itself, as it is now. */
  metrics(): ServerMetrics {
    return this.#meter.snapshot();
  }

  /**
   * The same again and again: at once, and then after each interval, as long as somebody waits for it.
   * @throws PeerlaneError `invalid-argument`; from `next`: `aborted`
   */
  metricsStream(options?: MetricsStreamOptions): AsyncGenerator<ServerMetrics, void, undefined> {
    const { env } = this.#config;
    return metricsStream({ env, closing: this.#ending, snapshot: () => this.metrics() }, options);
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
    this.#ending.close();
    this.#meter.close();
    const gone = this.#whereabouts.close();
    this.#reception.close();
    this.#dialer.close();
    const undiscovered = this.#discovery?.close();
    const connections = [...this.#connector.connections];
    for (const connection of connections) {
      connection.close(new PeerlaneError('server-closing', 'the server is closing'));
    }
    await Promise.all(connections.map(({ finished }) => finished));
    await Promise.all([gone, undiscovered, this.#banStore.close()]);
  }

  #recordFailed(error: unknown): void {
    if (this.#isClosed) return;
    const failure = { part: 'record', error: toPeerlaneError(error), retryInMs: undefined } as const;
    this.#config.onEvent({ kind: 'discovery-failed', ...failure });
  }

  #dialFailed(failure: DialFailure): void {
    const { enode, error, redialInMs, isFound } = failure;
    this.#observations.dialFailed(failure);
    this.#notes.dialFailed(enode, error);
    this.#config.onEvent({ kind: 'dial-failed', enode: formatEnode(enode), error, redialInMs, isFound });
  }

  /** Whom a ban is about, as far as the server knows. */
  #keysOf({ kind, name }: BanTarget): Iterable<string> {
    if (kind === 'node') return [name];
    const connected = this.#peers
      .entries()
      .filter(({ connection }) => banNameOf(connection.remoteAddress) === name)
      .map(({ peer }) => toBareHex(peer.info.id));
    return new Set([...connected, ...this.#dialer.keysAt(name)]);
  }

  #refuseSelf(publicKey: Uint8Array): void {
    if (equalBytes(publicKey, this.id)) {
      throw new PeerlaneError('connected-to-self', 'the enode URL is that of this node');
    }
  }

  #meteredParts(budgets: Budgets): MeteredParts {
    const { nodeDatabase } = this.#config;
    return {
      ...{ peers: this.peers, budgets, nodeDatabase, discovery: this.#discovery?.services },
      ...{ dials: this.#dialer.pending, inbound: this.#reception.pending, lanes: this.#lanes.size },
      connections: this.#connector.connections.size,
      reputations: () => this.peers.map(({ info }) => this.#conduct.score(toBareHex(info.id))),
    };
  }
}

function targetOf(node: GivenNode): DialTarget {
  return withRecordEndpoints(node, node.record);
}

function closedWhileStarting(): PeerlaneError {
  return new PeerlaneError('closed', 'the server was closed while it started');
}
