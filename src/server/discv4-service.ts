import { throwIfAborted } from '../base/abort.ts';
import { equalBytes } from '../base/bytes.ts';
import { signalOf } from '../base/checks.ts';
import { PUBLIC_KEY_LENGTH, publicKeyOf } from '../crypto/index.ts';
import {
  type ClockSkew,
  Discv4Engine,
  type Discv4Stats,
  type PingResult,
  packetCryptoBeside,
  type WireEndpoint,
} from '../discv4/index.ts';
import { isPublicKey, type NodeRecord } from '../enr/index.ts';
import type { Endpoint } from '../io/tcp.ts';
import type { KadNode, TableView } from '../kad/index.ts';
import type { NodeMetrics } from '../observe/index.ts';
import { type CallOptions, isNamedOf, PING, type PingOptions } from './discovery-calls.ts';
import { discoveryMetrics } from './discovery-metrics.ts';
import { checkDiscv4Options, type Discv4ServiceConfig, type Discv4ServiceOptions } from './discv4-options.ts';
import { familyOf } from './endpoint-votes.ts';
import { toldHost } from './listen-host.ts';
import { resolveRecord } from './resolve-record.ts';
import { ServiceCore } from './service-core.ts';
import type { NodeSource } from './service-options.ts';

/**
 * Discovery v4 on a UDP socket: answers others, keeps a table of nodes, and finds nodes for callers.
 *
 * ```js
 * const discovery = new Discv4Service({ key, listen: { host: '127.0.0.1', port: 0 }, bootnodes });
 * await discovery.start();
 * for await (const node of discovery.random({ signal })) console.log(node.ip);
 * ```
 */
export class Discv4Service implements AsyncDisposable {
  /** The node's public key, 64 bytes. */
  readonly publicKey: Uint8Array;
  /** The nodes that it knows: to be seen, not to be changed. */
  readonly table: TableView;
  readonly #config: Discv4ServiceConfig;
  readonly #core: ServiceCore<Discv4Engine>;

  /** @throws PeerlaneError `invalid-argument`, `invalid-secret-key`, `invalid-enode`, `invalid-record` */
  constructor(options: Discv4ServiceOptions) {
    const config = checkDiscv4Options(options);
    this.#config = config;
    const publicKey = publicKeyOf(config.key);
    this.publicKey = publicKey.slice();
    this.#core = new ServiceCore<Discv4Engine>({
      ...{ config, publicKey, isFirst: false },
      name: 'discovery v4',
      target: { name: 'the public key', length: PUBLIC_KEY_LENGTH },
      makeEngine: (core) => engineOf(config, core),
    });
    this.table = this.#core.table;
  }

  /**
   * Binds the socket, and begins to fill the table.
   * @throws PeerlaneError `port-in-use`, `listen-failed`, `closed`; `invalid-argument` when `record` gives none, and when the socket is
   * used by another service of this version
   */
  async start(): Promise<void> {
    await this.#core.start();
  }

  /**
   * One more node to begin with: a bootnode that was not known when the service was made.
   * @throws PeerlaneError `invalid-argument`, `invalid-enode`, `invalid-record`, `closed`; `dial-failed` when the socket has no
   * way to addresses of its family, `address-refused`
   */
  addBootnode(node: NodeSource): void {
    this.#core.addBootnode(node);
  }

  /**
   * A node that others have named, such as a list in DNS: it comes into the table when it answers, and nodes are looked for
   * with it where the table had none.
   * @throws PeerlaneError as `addBootnode`
   */
  addNode(node: NodeSource): void {
    this.#core.addNode(node);
  }

  /** The UDP port in use, of two the one of the first address; 0 before the start. */
  get port(): number {
    return this.#core.port;
  }

  /** The addresses and UDP ports in use, in the order of `listen`; none before the start. */
  get endpoints(): readonly Endpoint[] {
    return this.#core.endpoints;
  }

  /**
   * Whether the socket has a way to the address of a node: to those of its family that `netRestrict` and `netDeny` leave.
   * @throws PeerlaneError `invalid-argument`
   */
  reaches(node: KadNode): boolean {
    return this.#core.reaches(node);
  }

  /** The node's own record. @throws PeerlaneError `invalid-argument` when `record` gives none */
  get record(): NodeRecord {
    return this.#core.record;
  }

  /** By how much the clocks of others differ from this machine's; `undefined` when too few were heard of late. */
  clockSkew(): ClockSkew | undefined {
    return this.#core.engine.clockSkew(this.#core.now);
  }

  stats(): Discv4Stats {
    return this.#core.engine.stats();
  }

  /** The part of a node's metrics that discovery has: for `serveMetrics`. */
  metrics(): NodeMetrics {
    return { at: this.#config.env.unixTime(), discovery: discoveryMetrics(this.stats(), this.table.stats()) };
  }

  /**
   * Pings a node.
   * @throws PeerlaneError `request-timeout`, `request-overload`, `invalid-argument`, `invalid-enode`, `invalid-record`,
   * `aborted`, `closed`; `dial-failed` when the socket has no way to addresses of its family, `address-refused`; with `named`:
   * `request-withheld`
   */
  async ping(node: NodeSource, options: PingOptions = {}): Promise<PingResult> {
    const remote = this.#core.remote(node);
    const { calls, engine } = this.#core;
    const isNamed = isNamedOf(options);
    return await calls.request(PING, options, (done) =>
      engine[isNamed ? 'pingNamed' : 'ping'](remote, this.#core.now, done),
    );
  }

  /**
   * Asks a node for its record, after a Ping as to one that others have named.
   * @throws PeerlaneError as `ping`, and `request-withheld`; `invalid-record` also when the node has answered with a record
   * that cannot be verified, or with another node's
   */
  async requestRecord(node: NodeSource, options: CallOptions = {}): Promise<NodeRecord> {
    const remote = this.#core.remote(node);
    const { calls, engine } = this.#core;
    return await calls.request('ENRRequest', options, (done) =>
      engine.requestRecord(remote, this.#core.now, done),
    );
  }

  /**
   * Asks a node for those it knows that are close to `target`, a public key of 64 bytes.
   * @throws PeerlaneError as `ping`, and `request-withheld`
   */
  async findNode(node: NodeSource, target: Uint8Array, options: CallOptions = {}): Promise<KadNode[]> {
    const remote = this.#core.remote(node);
    const to = this.#core.checkedTarget(target);
    const { calls, engine } = this.#core;
    const nodes = await calls.request<KadNode[]>('FindNode', options, (done) =>
      engine.findNode(remote, to, this.#core.now, done),
    );
    // Anybody can name a key that nobody has.
    return nodes.filter(({ publicKey }) => isPublicKey(publicKey));
  }

  /**
   * Looks a public key of 64 bytes up, and gives the nodes met on the way: at first those of the table, then those that
   * others tell of, which may be gone. Each comes once; one that does not answer comes again, at most twice, if others
   * name another place. No more nodes are asked than it takes to have the next one.
   * At the end it returns what `findClosest` does.
   * @throws PeerlaneError `invalid-argument`; from `next`: `aborted`, `closed`
   */
  lookup(target: Uint8Array, options: CallOptions = {}): AsyncGenerator<KadNode, KadNode[], undefined> {
    return this.#core.lookup(target, options);
  }

  /**
   * The nodes closest to a public key of 64 bytes, at most 16 and nearest first, all of which have answered.
   * @throws PeerlaneError `invalid-argument`, `aborted`, `closed`
   */
  async findClosest(target: Uint8Array, options: CallOptions = {}): Promise<KadNode[]> {
    return await this.#core.findClosest(target, options);
  }

  /**
   * Nodes met on lookups of random keys, one after another and without an end; a node may come again in another lookup.
   * @throws PeerlaneError `invalid-argument`; from `next`: `aborted`, `closed`
   */
  random(options: CallOptions = {}): AsyncGenerator<KadNode, void, undefined> {
    return this.#core.random(options);
  }

  /**
   * The record of the node with this public key, 64 bytes, as the node itself sends it; `undefined` if it is not found,
   * or does not answer.
   * @throws PeerlaneError `invalid-argument`, `request-overload`, `aborted`, `closed`; `invalid-record` when it answers, and
   * nowhere with a record of its own that can be verified
   */
  async resolve(publicKey: Uint8Array, options: CallOptions = {}): Promise<NodeRecord | undefined> {
    const wanted = this.#core.checkedTarget(publicKey);
    throwIfAborted(signalOf(options));
    this.#core.checkRunning();
    if (equalBytes(wanted, this.publicKey)) return this.record;
    return await resolveRecord(this, wanted, options);
  }

  /** Stops: whoever waits for something gets the error `closed`. May be called twice. */
  async close(): Promise<void> {
    await this.#core.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

function engineOf(config: Discv4ServiceConfig, core: ServiceCore<Discv4Engine>): Discv4Engine {
  const { key, env, limits, reaches, onEvent } = config;
  const crypto = packetCryptoBeside(key, (batch, results) => {
    try {
      engine.complete(batch, results, env.now());
    } finally {
      core.schedule();
    }
  });
  const engine = new Discv4Engine({
    ...{ publicKey: core.publicKey, crypto, env, limits, seeds: core.seeds },
    host: {
      send: (packet, to) => core.send(packet, to),
      localRecord: () => core.latestRecord,
      localEndpoint: ownEndpoint(config),
      reaches,
      event: (event) => {
        if (event.kind === 'node-answered') core.answered(event.node, event.seenAs);
        onEvent(event);
      },
    },
  });
  return engine;
}

/** What Pings to an address name as the node's own: where it listens by that family, if it does. */
function ownEndpoint({ listen, tcpPorts }: Discv4ServiceConfig): (to: string) => WireEndpoint {
  const hosts = listen.endpoints.map(({ host }) => toldHost(host));
  return (to) => {
    const at = Math.max(
      0,
      hosts.findIndex((host) => familyOf(host) === familyOf(to)),
    );
    return { ip: hosts[at], udpPort: listen.endpoints[at]?.port ?? 0, tcpPort: tcpPorts[at] ?? 0 };
  };
}
