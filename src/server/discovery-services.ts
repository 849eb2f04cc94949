/** Both versions of discovery of a server, on one UDP socket. */
import type { Env } from '../base/env.ts';
import { isPeerlaneError, type PeerlaneError } from '../base/errors.ts';
import type { TopicParameters } from '../discv5/index.ts';
import { type NodeRecord, nodeIdOf } from '../enr/index.ts';
import type { Endpoint } from '../io/tcp.ts';
import type { KadNode } from '../kad/index.ts';
import { type CallOptions, isFaultOfNode } from './discovery-calls.ts';
import { Discv4Service } from './discv4-service.ts';
import { Discv5Service } from './discv5-service.ts';
import { type DiscoveryService, RunningVersions } from './running-versions.ts';
import { SharedUdp } from './shared-udp.ts';
import { type DiscoveryVersion, type DiscoveryVersionEvent, hasWay, ToldVersions } from './told-versions.ts';

/** Where discovery listens. */
export interface DiscoveryPlace extends Endpoint {
  /** UDP; 0: any free one. */
  readonly port: number;
  /** Whether another port will do where that is taken. */
  readonly mayMove: boolean;
  /** At the same address; 0: the node does not listen. */
  readonly tcpPort: number;
}

export interface DiscoveryServicesOptions {
  /** Which of them run. */
  readonly v4: boolean;
  readonly v5: boolean;
  /** `false`: v5 takes no part in the discovery of topics; else the record is to say that it does. */
  readonly topics: TopicParameters | false;
  readonly key: Uint8Array;
  readonly env: Env;
  /** An address, or one of each family. */
  readonly listen: readonly DiscoveryPlace[];
  readonly netRestrict: readonly string[] | undefined;
  readonly netDeny: readonly string[];
  /** The node's own record, asked each time. */
  readonly record: () => NodeRecord;
  readonly bootnodes: readonly KadNode[];
  /** Nodes of earlier runs. */
  readonly seeds: readonly KadNode[];
  /** Told where it listens before anything is sent: the record is in the first packets of v5. */
  readonly bound: (udp: readonly Endpoint[]) => void;
  readonly onEvent: (version: DiscoveryVersion, event: DiscoveryVersionEvent) => void;
}

/**
 * Nodes are told to the versions that may reach them: to v5 bootnodes, those with a record, or all where v4 does not run. Of a bootnode
 * nobody knows which it speaks.
 */
export class DiscoveryServices {
  readonly #options: DiscoveryServicesOptions;
  readonly #running: RunningVersions;
  readonly #udp: SharedUdp;
  readonly #told: ToldVersions;

  private constructor(options: DiscoveryServicesOptions) {
    this.#options = options;
    this.#told = new ToldVersions(options.env);
    const { v4, v5, key, env, netRestrict, netDeny, record, bootnodes, seeds, topics } = options;
    const listen = new SharedUdp(options.listen.map(({ host, port }) => ({ host, port })));
    this.#udp = listen;
    const tcpPort = options.listen.map((place) => place.tcpPort);
    const shared = { key, env, listen, tcpPort, netRestrict, netDeny, record };
    const heard = (version: DiscoveryVersion) => (event: DiscoveryVersionEvent) =>
      this.#heard(version, event);
    const ofV4 = {
      ...shared,
      seeds: [...bootnodes, ...seeds],
      onEvent: heard('v4'),
    };
    const known = [...bootnodes, ...seeds.filter((node) => this.#isForV5(node))];
    const ofV5 = { ...shared, topics, seeds: known, onEvent: heard('v5') };
    this.#running = new RunningVersions(
      v4 ? new Discv4Service(ofV4) : undefined,
      v5 ? new Discv5Service(ofV5) : undefined,
    );
  }

  /**
   * Those that run, on a socket that is bound.
   * @throws PeerlaneError `port-in-use`, `listen-failed`; `invalid-argument` when `record` gives none
   */
  static async start(options: DiscoveryServicesOptions): Promise<DiscoveryServices> {
    try {
      return await new DiscoveryServices(options).#started();
    } catch (error) {
      const mayMove = options.listen.some((place) => place.mayMove);
      if (!mayMove || !isPeerlaneError(error, 'port-in-use')) throw error;
    }
    const listen = options.listen.map((place) => (place.mayMove ? { ...place, port: 0 } : place));
    return await new DiscoveryServices({ ...options, listen }).#started();
  }

  async #started(): Promise<this> {
    await this.#running.start();
    return this;
  }

  get v4(): Discv4Service | undefined {
    return this.#running.v4;
  }

  get v5(): Discv5Service | undefined {
    return this.#running.v5;
  }

  /** Where it listens, with the ports in use. */
  get endpoints(): readonly Endpoint[] {
    return this.#udp.endpoints;
  }

  /** Entries of the larger table: most nodes are in both. */
  get knownNodes(): number {
    return Math.max(0, ...this.#running.all.map(({ table }) => table.size));
  }

  /** Whether a version has had an answer of the node at its place of late. */
  isLive(id: Uint8Array): boolean {
    return this.#running.all.some(({ table }) => table.isLive(id));
  }

  addBootnode(node: KadNode): void {
    this.#running.addBootnode(node);
  }

  /** A node of another source: who has no bootnode knows nobody, and nobody knows him. */
  addNode(node: KadNode): void {
    for (const service of this.#servicesFor(node)) if (hasWay(service, node)) service.addNode(node);
  }

  #servicesFor(node: KadNode): DiscoveryService[] {
    return this.#running.all.filter((service) => service !== this.v5 || this.#isForV5(node));
  }

  #isForV5({ record }: KadNode): boolean {
    return record !== undefined || !this.#options.v4;
  }

  /**
   * The record of the node with this public key of 64 bytes, as the node itself sends it by v4, or else the newest that v5 finds.
   * @throws PeerlaneError as `Discv4Service.resolve`
   */
  async resolve(publicKey: Uint8Array, options?: CallOptions): Promise<NodeRecord | undefined> {
    const { v4, v5 } = this;
    let fault: PeerlaneError | undefined;
    try {
      const record = await v4?.resolve(publicKey, options);
      if (record !== undefined || v5 === undefined) return record;
    } catch (error) {
      if (v5 === undefined || !isFaultOfNode(error)) throw error;
      fault = error;
    }
    const record = await v5.resolve(nodeIdOf(publicKey), options);
    if (record === undefined && fault !== undefined) throw fault;
    return record;
  }

  async close(): Promise<void> {
    this.#told.close();
    await this.#running.close();
  }

  #heard(version: DiscoveryVersion, event: DiscoveryVersionEvent): void {
    if (event.kind === 'listening') this.#options.bound(this.#udp.endpoints);
    if (this.#told.heard(version, event, this.#running)) this.#options.onEvent(version, event);
  }
}
