import { onAbort, throwIfAborted } from '../base/abort.ts';
import { equalBytes } from '../base/bytes.ts';
import { checkObject, reading, refuseThenable, signalOf } from '../base/checks.ts';
import { Endable } from '../base/endable.ts';
import type { Env } from '../base/env.ts';
import { PeerlaneError, toPeerlaneError, unlessError } from '../base/errors.ts';
import type { ClockSkew } from '../discv4/index.ts';
import { DnsClient } from '../dnsdisc/index.ts';
import { type Enode, isPublicKey, type NodeRecord, nodeIdOf } from '../enr/index.ts';
import type { Endpoint } from '../io/tcp.ts';
import type { KadNode, TableView } from '../kad/index.ts';
import { type GivenNode, hasAddress, joinNode, kadNodeOf } from './bootnodes.ts';
import type { DiagnosisFacts, DiscoveryFacts } from './diagnosis-facts.ts';
import { foundAt } from './dial-target.ts';
import type { Dialer } from './dialer.ts';
import { type CallOptions, orNone, type PingOptions } from './discovery-calls.ts';
import type { DiscoveryConfig } from './discovery-options.ts';
import { DiscoveryServices } from './discovery-services.ts';
import type { Discv4Service } from './discv4-service.ts';
import type { Discv5Service } from './discv5-service.ts';
import type { DiscoveryPart, ServerEvent } from './events.ts';
import type { LocalNode } from './local-node.ts';
import { type AddressRule, mayBeDialed } from './net-restrict.ts';
import type { NodeDatabase } from './node-db/index.ts';
import { type FoundNode, type MixSource, NodeMix, type NodeMixOptions, nodesOfMix } from './node-mix.ts';
import type { NodeNotes } from './node-notes.ts';
import { databaseSource, dnsSource, seedsOf, staticSource, v4Source, v5Source } from './node-sources.ts';
import type { Observations } from './observations.ts';
import type { NodeSource } from './service-options.ts';
import type { DiscoveryVersionEvent } from './told-versions.ts';

export interface DiscoveryContext extends DiscoveryConfig {
  /** The secret key, and the public key of 64 bytes. */
  readonly key: Uint8Array;
  readonly publicKey: Uint8Array;
  readonly env: Env;
  readonly bootnodes: readonly GivenNode[];
  readonly staticNodes: readonly Enode[];
  readonly netRestrict: readonly string[] | undefined;
  readonly netDeny: readonly string[];
  readonly allows: AddressRule;
  readonly nodeDatabase: NodeDatabase | undefined;
  readonly notes: NodeNotes;
  readonly onEvent: (event: ServerEvent) => void;
  readonly local: LocalNode;
  /** Told of the UDP sockets before anything is sent: the record is in the first packets of v5. If it throws, so it will later. */
  readonly bound: (udp: readonly Endpoint[]) => void;
  readonly observations: Pick<Observations, 'found' | 'passedOver' | 'restricted'>;
  /** Says how many nodes the server would dial, and which it would not, and gets them. */
  readonly dialer: Pick<Dialer, 'demand' | 'offer' | 'leavesOut'>;
}

/** What of discovery v5 is for users of a server: all but its start and its end. */
export type ServerDiscv5 = Omit<Discv5Service, 'start' | 'close' | typeof Symbol.asyncDispose>;

/**
 * Discovery of a running server: what was found is dialed while there are slots; more for whoever asks. The calls are those of
 * v4 unless it says otherwise; those of v5 are at `v5`.
 */
export class Discovery {
  readonly #context: DiscoveryContext;
  readonly #closed = new AbortController();
  readonly #dns: DnsClient;
  #starting: Promise<void> | undefined;
  #services: DiscoveryServices | undefined;
  #mix: NodeMix | undefined;

  /** @internal */
  constructor(context: DiscoveryContext) {
    // That it is nobody else's to call, JavaScript does not say.
    const { resolver, env } = reading('the context of discovery', () => {
      checkObject('the context of discovery', context);
      const { resolver, env } = context;
      return { resolver, env };
    });
    this.#context = context;
    this.#dns = new DnsClient({ resolver, env, onProblem: (error) => this.#failed('dns', error, undefined) });
  }

  /**
   * Binds the UDP sockets; the ports are those of `tcp` unless another was asked for.
   * @internal
   * @throws PeerlaneError `port-in-use`, `listen-failed`, `closed`; what the node database throws
   */
  async start(tcp: readonly Endpoint[]): Promise<void> {
    this.#starting = this.#start(tcp);
    try {
      await this.#starting;
    } catch (error) {
      throw this.#closed.signal.aborted ? notRunning() : error;
    }
  }

  async #start(tcp: readonly Endpoint[]): Promise<void> {
    const { hasUdp, nodeDatabase, dialer } = this.#context;
    const signal = this.#closed.signal;
    if (hasUdp) {
      const seeds = nodeDatabase === undefined ? [] : await seedsOf(nodeDatabase, signal);
      const services = await this.#bound(tcp, seeds);
      if (signal.aborted) await services.close();
      else this.#services = services;
    }
    throwIfAborted(signal);
    this.#mix = new NodeMix({
      ...this.#mixOptions(),
      demand: () => dialer.demand,
      give: (node) => dialer.offer(foundAt(node, node.record)),
      leavesOut: (key) => dialer.leavesOut(key),
    });
    if (hasUdp) for (const node of this.#context.bootnodes) if (!hasAddress(node)) void this.#join(node);
  }

  /** Discovery v5, from the start on; undefined before, and where it is turned off. */
  get v5(): ServerDiscv5 | undefined {
    return this.#services?.v5;
  }

  /** What of discovery runs. @internal */
  get services(): DiscoveryServices | undefined {
    return this.#services;
  }

  /** Where it listens, by both versions. @internal */
  get endpoints(): readonly Endpoint[] {
    return this.#services?.endpoints ?? [];
  }

  /** What `Server.diagnose` wants to know of either version that runs. @internal */
  get facts(): Pick<DiagnosisFacts, 'v4' | 'v5'> & { readonly clockSkew: ClockSkew | undefined } {
    const { v4, v5 } = this.#services ?? {};
    return {
      v4: v4 && { ...factsOf(v4), expired: v4.stats().dropped.expired },
      v5: v5 && factsOf(v5),
      clockSkew: v4?.clockSkew(),
    };
  }

  /** Whether there is anything to take nodes from beside those that the user has named. @internal */
  get hasSources(): boolean {
    const { nodeDatabase, dns } = this.#context;
    const known = nodeDatabase?.size ?? 0;
    return dns.length + known + (this.#services?.knownNodes ?? 0) > 0;
  }

  /** How many nodes there are to be taken, at most; nobody knows how many a list in DNS has. @internal */
  get knownNodes(): number {
    const { nodeDatabase, dns } = this.#context;
    if (dns.length > 0) return Number.POSITIVE_INFINITY;
    return Math.max(nodeDatabase?.size ?? 0, this.#services?.knownNodes ?? 0);
  }

  /** Looks again whether the server wants nodes. @internal */
  wake(): void {
    this.#mix?.wake();
  }

  /** @internal */
  async close(): Promise<void> {
    this.#closed.abort();
    this.#mix?.close();
    // What has been bound meanwhile is let go of before this is over.
    await this.#starting?.catch(() => undefined);
    await this.#services?.close();
  }

  /** The table of discovery v4. @throws PeerlaneError `closed` when v4 does not run */
  get table(): TableView {
    return this.#v4.table;
  }

  /** As `Discv4Service.lookup`: nodes met on the way to a public key of 64 bytes. @throws PeerlaneError `closed` */
  lookup(target: Uint8Array, options?: CallOptions): AsyncGenerator<KadNode, KadNode[], undefined> {
    return this.#v4.lookup(target, options);
  }

  /** As `Discv4Service.random`: nodes met on lookups of random keys, without an end. @throws PeerlaneError `closed` */
  random(options?: CallOptions): AsyncGenerator<KadNode, void, undefined> {
    return this.#v4.random(options);
  }

  /**
   * The record of the node with this public key of 64 bytes, as the node itself sends it by v4, or else the newest that is found
   * by v5. @throws PeerlaneError as `Discv4Service.resolve`, and `closed` when neither runs
   */
  async resolve(publicKey: Uint8Array, options?: CallOptions): Promise<NodeRecord | undefined> {
    if (this.#services === undefined) throw notRunning();
    return await this.#services.resolve(publicKey, options);
  }

  /** As `Discv4Service.ping`. */
  async ping(node: NodeSource, options?: PingOptions): ReturnType<Discv4Service['ping']> {
    return await this.#v4.ping(node, options);
  }

  /**
   * Nodes of all sources, mixed, without an end: those that `accepts` takes, each once in a while, connected or not.
   * Nobody is asked unless somebody waits for a node.
   * @throws PeerlaneError `invalid-argument`; from `next`: `aborted`, `closed`, and `invalid-argument` where there is no source
   */
  nodes(options: CallOptions = {}): AsyncGenerator<FoundNode, void, undefined> {
    return new Endable((ended) => this.#nodes(ended), signalOf(options));
  }

  async *#nodes(signal: AbortSignal): AsyncGenerator<FoundNode, void, undefined> {
    throwIfAborted(signal);
    if (this.#mix === undefined || this.#closed.signal.aborted) throw notRunning();
    const mixed = this.#mixOptions();
    if (mixed.sources.length === 0) {
      throw new PeerlaneError(
        'invalid-argument',
        'there is nothing to take nodes from: no discovery v4 or v5, no list in DNS, no node database and no static node',
      );
    }
    const ended = new AbortController();
    const offs = [signal, this.#closed.signal].map((from) => onAbort(from, () => ended.abort(from.reason)));
    try {
      yield* nodesOfMix({ ...mixed, leavesOut: () => false }, ended.signal);
    } catch (error) {
      throw this.#closed.signal.aborted ? notRunning() : error;
    } finally {
      for (const off of offs) off();
    }
  }

  get #v4(): Discv4Service {
    const { v4 } = this.#services ?? {};
    if (v4 !== undefined) return v4;
    if (this.#services === undefined) throw notRunning();
    throw new PeerlaneError('closed', 'discovery v4 is off; `discovery.v5` is what runs');
  }

  async #bound(tcp: readonly Endpoint[], seeds: readonly KadNode[]): Promise<DiscoveryServices> {
    const { bootnodes, local, bound, port: udpPort, listen } = this.#context;
    const places = listen.map(({ host, port: asked }) => {
      const tcpPort = tcp.find((one) => one.host === host)?.port ?? 0;
      // A TCP port that the system has chosen may be another's UDP port.
      return { host, port: udpPort ?? tcpPort, tcpPort, mayMove: udpPort === undefined && asked === 0 };
    });
    return await DiscoveryServices.start({
      ...{ ...this.#context, listen: places },
      bound: (udp) => unlessError(() => bound(udp)),
      record: () => local.record,
      ...{ bootnodes: bootnodes.filter(hasAddress).map(kadNodeOf), seeds },
      onEvent: (_, event) => this.#heard(event),
    });
  }

  #heard(event: DiscoveryVersionEvent): void {
    const { notes, local, onEvent } = this.#context;
    if (event.kind === 'listener-failed' || event.kind === 'talk-failed') onEvent(event);
    else notes.discovered(event);
    if (event.kind === 'node-unreached') this.#unreached(event.node);
    if (event.kind === 'node-answered') local.seen(event.node, event.seenAs);
  }

  /** It may be that the socket has no way there, which is nobody's will. */
  #unreached({ publicKey, ip: host }: KadNode): void {
    const { allows, observations } = this.#context;
    if (!allows(host)) observations.restricted({ publicKey, host, source: 'v4' });
  }

  async #join(node: GivenNode): Promise<void> {
    const { env, lookup } = this.#context;
    await joinNode(node, {
      ...{ env, lookup, signal: this.#closed.signal },
      found: (found) => this.#services?.addBootnode(found),
      failed: (error, retryInMs) => this.#failed('bootnode', error, retryInMs),
    });
  }

  #mixOptions(): Omit<NodeMixOptions, 'demand' | 'give' | 'leavesOut'> {
    const { env } = this.#context;
    return {
      env,
      sources: this.#sources(),
      check: (node, signal) => this.#checked(node, signal),
      failed: (source, error, retryInMs) => this.#failed(source, error, retryInMs),
    };
  }

  #sources(): MixSource[] {
    const { dns, env, nodeDatabase, staticNodes } = this.#context;
    const { v4, v5 } = this.#services ?? {};
    return [
      ...(nodeDatabase === undefined ? [] : [databaseSource(nodeDatabase)]),
      ...(staticNodes.length === 0 ? [] : [staticSource(staticNodes)]),
      ...(v4 === undefined ? [] : [v4Source(v4, env)]),
      ...(v5 === undefined ? [] : [v5Source(v5, env)]),
      ...(dns.length === 0 ? [] : [dnsSource(this.#dns, dns)]),
    ];
  }

  /** A node that may be of use, as it shows itself: others may have made it up, or its key. */
  async #checked(node: FoundNode, signal: AbortSignal): Promise<FoundNode | undefined> {
    const { publicKey, allows } = this.#context;
    if (!isPublicKey(node.publicKey) || equalBytes(node.publicKey, publicKey)) return undefined;
    if (!mayBeDialed(node, allows)) {
      this.#context.observations.restricted(node);
      return undefined;
    }
    if (node.source === 'dns' || node.source === 'static') this.#tell(node);
    const shown = this.#isToBeAsked(node) ? await this.#asked(node, signal) : node;
    if (shown === undefined) return undefined;
    const isUseful = this.#isUseful(shown);
    this.#context.observations[isUseful ? 'found' : 'passedOver'](shown);
    return isUseful ? shown : undefined;
  }

  /** Whether discovery knows of the node from others only, a list in DNS perhaps, and not from itself. */
  #isToBeAsked(node: FoundNode): boolean {
    const { source, record, publicKey } = node;
    if (source !== 'v4' && source !== 'v5') return false;
    if (record !== undefined && this.#services?.isLive(nodeIdOf(publicKey))) return false;
    // In the network of v5 there are nodes of all kinds, whose records say which: most are none of ours.
    return source === 'v4' || this.#isUseful(node);
  }

  /** Has discovery look at a node of another source: without a bootnode it knows nobody, and nobody knows it. */
  #tell(node: FoundNode): void {
    if (node.udpPort !== 0 && hasAddress(node)) this.#services?.addNode(kadNodeOf(node));
  }

  /** Whether the record of the node says that it is of use; one without a record may be. */
  #isUseful({ record }: FoundNode): boolean {
    const { accepts } = this.#context;
    if (accepts === undefined || record === undefined) return true;
    const answer = accepts(record);
    // A promise would be a yes, whatever comes of it.
    refuseThenable('discovery.accepts', answer);
    return answer;
  }

  /** The node with its record, if it has one; `undefined` when it does not answer at all. */
  async #asked(node: FoundNode, signal: AbortSignal): Promise<FoundNode | undefined> {
    const remote = kadNodeOf(node);
    const { v5 } = this.#services ?? {};
    const service = node.source === 'v5' && v5 !== undefined ? v5 : this.#v4;
    const record = await orNone(service.requestRecord(remote, { signal }));
    if (record !== undefined) return withRecord(node, record);
    // By v5 each has one.
    if (service === v5) return undefined;
    // Some nodes know of no records, or have one that is none.
    const pong = await orNone(this.#v4.ping(remote, { signal, named: true }));
    return pong === undefined ? undefined : node;
  }

  #failed(part: DiscoveryPart, error: unknown, retryInMs: number | undefined): void {
    if (this.#closed.signal.aborted) return;
    this.#context.onEvent({ kind: 'discovery-failed', part, error: toPeerlaneError(error), retryInMs });
  }
}

function factsOf(service: Discv4Service | Discv5Service): DiscoveryFacts {
  const { sent, received } = service.stats();
  return { table: service.table.size, sent, received };
}

/** The address stays the one that the node was reached at; its port is what the node itself says. */
function withRecord(node: FoundNode, record: NodeRecord): FoundNode {
  const tcp = record.get('tcp');
  const tcpPort = (node.host.includes(':') ? (record.get('tcp6') ?? tcp) : tcp) ?? node.tcpPort;
  return { ...node, record, tcpPort };
}

function notRunning(): PeerlaneError {
  return new PeerlaneError('closed', 'discovery is not running');
}
