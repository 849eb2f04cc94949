/** Where a server listens, and what it says of that: its record, its URLs, and what a router has mapped. */
import type { Endpoint, Wire } from '../io/tcp.ts';
import type { ServerConfig } from './config.ts';
import { widestOf } from './diagnosis.ts';
import type { DiagnosisFacts } from './diagnosis-facts.ts';
import type { ServerEvent, ServerNames } from './events.ts';
import { Listeners } from './listeners.ts';
import { endpointsOf, ipv4First, type LocalEndpoints, LocalNode, placesOf } from './local-node.ts';
import { NodeNat } from './nat/node-nat.ts';

export interface WhereaboutsOptions
  extends Pick<
    ServerConfig,
    'key' | 'env' | 'listen' | 'externalIps' | 'nat' | 'discovery' | 'nodeDatabase'
  > {
  readonly accept: (wire: Wire) => void;
  /** Told that the record could not be made, or kept. */
  readonly failed: (error: unknown) => void;
  readonly onEvent: (event: ServerEvent) => void;
}

export class Whereabouts {
  readonly local: LocalNode;
  readonly #externalIps: readonly string[];
  readonly #listeners: Listeners;
  readonly #nat: NodeNat;
  /** Of discovery. */
  #udp: readonly Endpoint[] = [];

  constructor(options: WhereaboutsOptions) {
    const { key, env, listen, externalIps, nat, discovery, nodeDatabase: database } = options;
    const { accept, failed, onEvent } = options;
    const moved = (): void => onEvent({ kind: 'endpoint-changed', ...this.names });
    const { fixedEntries, recordEntries: entries } = discovery ?? {};
    const local = new LocalNode({ key, env, database, fixedEntries, entries, failed, moved });
    this.local = local;
    this.#externalIps = externalIps;
    this.#listeners = new Listeners(listen, {
      accept,
      failed: (error) => onEvent({ kind: 'listener-failed', error }),
    });
    this.#nat = new NodeNat({ env, nat, local, moved, failed, onEvent });
  }

  /** Begins to listen. @throws PeerlaneError `port-in-use`, `listen-failed` */
  async open(): Promise<void> {
    await this.#listeners.open();
  }

  /** Where TCP is listened on, with the ports in use. */
  get tcp(): readonly Endpoint[] {
    return this.#listeners.endpoints;
  }

  /** The TCP port at which a host with that address finds the server; 0: at none. */
  portFor(ip: string): number {
    return this.#listeners.portFor(ip);
  }

  /** It is known where discovery listens. @throws PeerlaneError as `LocalNode.listens` */
  bound(udp: readonly Endpoint[]): void {
    this.#udp = udp;
    this.local.listens(this.#endpoints);
  }

  /** Has the ports mapped; nobody has to wait. */
  map(): void {
    this.#nat.start(ipv4First(this.#endpoints));
  }

  get #endpoints(): LocalEndpoints {
    return endpointsOf(placesOf(this.tcp, this.#udp), this.#externalIps);
  }

  /** How others are told of the server. */
  get names(): ServerNames {
    const { enode, enodes, record } = this.local;
    return { enode, enodes, enr: record.toString() };
  }

  /** What `Server.diagnose` wants to know. */
  get facts(): Pick<DiagnosisFacts, 'listens' | 'ports' | 'ownAddress' | 'outside'> {
    const { ip, ip6 } = this.local.record.entries();
    const ports = new Set(this.tcp.map(({ port }) => port));
    return {
      ...{ listens: ports.size > 0, ports: [...ports] },
      ...{ ownAddress: widestOf([ip, ip6]), outside: this.local.fromOutside() },
    };
  }

  /** Takes no more connections, and has mappings taken back. */
  async close(): Promise<void> {
    await Promise.all([this.#listeners.close(), this.#nat.close()]);
  }
}
