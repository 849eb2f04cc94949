import { toBareHex } from '../base/bytes.ts';
import { invalidArgument } from '../base/checks.ts';
import { type PeerlaneError, toPeerlaneError } from '../base/errors.ts';
import type { EntryChanges, NodeRecord } from '../enr/index.ts';
import type { StatedEndpoint } from './endpoint-votes.ts';
import { endpointsOf, LocalNode, placesOf } from './local-node.ts';
import type { ServiceConfig, ServiceEvent } from './service-options.ts';
import { ServiceRecord } from './service-record.ts';
import type { SharedUdp } from './shared-udp.ts';

type Config = Pick<
  ServiceConfig<never, ServiceEvent>,
  'key' | 'env' | 'listen' | 'record' | 'externalIps' | 'tcpPorts' | 'onEvent'
>;

interface Service {
  readonly config: Config;
  readonly entries: (() => EntryChanges) | undefined;
  isRunning: boolean;
}

/** The record that no user gives: one of a node, whichever versions of discovery it runs on a socket. */
class SocketRecord {
  readonly #local: LocalNode;
  #services: readonly Service[] = [];

  constructor({ key, env }: Config) {
    this.#local = new LocalNode({
      ...{ key, env, database: undefined },
      entries: () => Object.assign({}, ...this.#told.map(({ entries }) => entries?.())),
      failed: (error) => this.#tell({ kind: 'record-failed', error: toPeerlaneError(error) }),
      moved: () => this.#tell({ kind: 'endpoint-changed', record: this.record }),
    });
  }

  /** @throws PeerlaneError as `LocalNode.listens` */
  join(service: Service): void {
    this.#services = [...this.#services, service];
    this.listens(service.config.listen);
  }

  /** @throws PeerlaneError `invalid-argument` where another service that runs names another place */
  starts(service: Service): void {
    const running = this.#services.filter(({ isRunning }) => isRunning);
    for (const name of ['externalIps', 'tcpPorts'] as const) {
      const given = [service, ...running].map(({ config }) => config[name]).filter(isGiven);
      if (new Set(given.map(String)).size > 1) throw otherPlace(name);
    }
    service.isRunning = true;
    this.listens(service.config.listen);
  }

  /** Whether others are left; the record of the last one stays as it was. */
  leave(service: Service): boolean {
    const others = this.#services.filter((other) => other !== service);
    if (others.length === 0) return false;
    this.#services = others;
    this.listens(service.config.listen);
    return true;
  }

  /** Whom the record is of: those that run or, before any does, all that there are. */
  get #told(): readonly Service[] {
    const running = this.#services.filter(({ isRunning }) => isRunning);
    return running.length > 0 ? running : this.#services;
  }

  /** @param sockets which know where they are; port 0: not yet */
  listens({ endpoints }: SharedUdp): void {
    const configs = this.#told.map(({ config }) => config);
    const external = configs.find(({ externalIps }) => isGiven(externalIps));
    const { tcpPorts = [] } = configs.find(({ tcpPorts: ports }) => isGiven(ports)) ?? {};
    const tcp = endpoints.map(({ host }, i) => ({ host, port: tcpPorts[i] ?? 0 }));
    this.#local.listens(endpointsOf(placesOf(tcp, endpoints), external?.externalIps));
  }

  answered(voter: StatedEndpoint, seenAs: StatedEndpoint): void {
    this.#local.seen(voter, seenAs);
  }

  get record(): NodeRecord {
    return this.#local.record;
  }

  #tell(event: ServiceEvent): void {
    for (const { config } of this.#services) config.onEvent(event);
  }
}

/** Addresses, or ports other than 0, that a service names. */
const isGiven = (values: readonly (string | number)[]): boolean => values.some((value) => value !== 0);

function otherPlace(name: 'externalIps' | 'tcpPorts'): PeerlaneError {
  const option = { externalIps: 'externalIp', tcpPorts: 'tcpPort' }[name];
  return invalidArgument(
    `${option} is not that of the other service on the socket, which has one record with it`,
  );
}

/** By the key of the node. */
const records = new WeakMap<SharedUdp, Map<string, SocketRecord>>();

function socketRecordOf(config: Config, publicKey: Uint8Array): SocketRecord {
  const { listen } = config;
  const ofSocket = records.get(listen) ?? new Map<string, SocketRecord>();
  records.set(listen, ofSocket);
  const key = toBareHex(publicKey);
  const record = ofSocket.get(key) ?? new SocketRecord(config);
  ofSocket.set(key, record);
  return record;
}

/**
 * The record of a service: what its user gives, or else one that names `externalIp`, the address that is listened on, or,
 * where these are all, what enough nodes say that have answered a Ping.
 */
export class OwnRecord {
  readonly #publicKey: Uint8Array;
  readonly #service: Service;
  readonly #shown: ServiceRecord;
  /** Unless the user gives one. */
  readonly #own: SocketRecord | undefined;

  /** @param publicKey 64 bytes @param entries of a record that is not the user's, beside those that say where the node is */
  constructor(config: Config, publicKey: Uint8Array, entries?: () => EntryChanges) {
    this.#publicKey = publicKey;
    this.#service = { config, entries, isRunning: false };
    const { record, onEvent } = config;
    let read = record;
    if (read === undefined) {
      const own = socketRecordOf(config, publicKey);
      read = () => own.record;
      this.#own = own;
    }
    this.#shown = new ServiceRecord({
      ...{ publicKey, read },
      failed: (error) => onEvent({ kind: 'record-failed', error }),
    });
    this.#own?.join(this.#service);
  }

  /** The sockets are bound. @throws PeerlaneError `invalid-argument` where another service on them names another place */
  listens(): void {
    this.#own?.starts(this.#service);
  }

  /** The service is over: the record is that of the others on its socket. May be called twice. */
  close(): void {
    if (this.#own?.leave(this.#service) !== false) return;
    const ofSocket = records.get(this.#service.config.listen);
    const key = toBareHex(this.#publicKey);
    // Another may have been made since.
    if (ofSocket?.get(key) === this.#own) ofSocket?.delete(key);
  }

  /** A node has answered a Ping, and says where it sees us. */
  answered(voter: StatedEndpoint, seenAs: StatedEndpoint): void {
    this.#own?.answered(voter, seenAs);
  }

  /** @throws PeerlaneError as `ServiceRecord.current` */
  get current(): NodeRecord {
    return this.#shown.current;
  }

  /** @throws PeerlaneError as `ServiceRecord.latest` */
  get latest(): NodeRecord {
    return this.#shown.latest;
  }
}
