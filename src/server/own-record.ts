import { toPeerlaneError } from '../base/errors.ts';
import type { EntryChanges, NodeRecord } from '../enr/index.ts';
import type { Endpoint } from '../io/tcp.ts';
import type { StatedEndpoint } from './endpoint-votes.ts';
import { endpointsOfSockets, LocalNode } from './local-node.ts';
import type { ServiceConfig, ServiceEvent } from './service-options.ts';
import { ServiceRecord } from './service-record.ts';

type Config = Pick<
  ServiceConfig<never, ServiceEvent>,
  'key' | 'env' | 'listen' | 'record' | 'externalIp' | 'tcpPort' | 'onEvent'
>;

/**
 * The record of a service: what its user gives, or else one that names `externalIp`, the address that is listened on, or,
 * where these are all, what enough nodes say that have answered a Ping.
 */
export class OwnRecord {
  readonly #config: Config;
  readonly #shown: ServiceRecord;
  /** Unless the user gives one. */
  #local: LocalNode | undefined;

  /** @param publicKey 64 bytes @param entries of a record that is not the user's, beside those that say where the node is */
  constructor(config: Config, publicKey: Uint8Array, entries?: () => EntryChanges) {
    this.#config = config;
    const { key, env, listen, record } = config;
    const failed = (error: unknown): void =>
      config.onEvent({ kind: 'record-failed', error: toPeerlaneError(error) });
    let read = record;
    if (read === undefined) {
      const moved = (): void => config.onEvent({ kind: 'endpoint-changed', record: local.record });
      const local = new LocalNode({ key, env, entries, database: undefined, failed, moved });
      this.#local = local;
      read = () => local.record;
    }
    this.#shown = new ServiceRecord({ publicKey, read, failed });
    this.listens(listen.endpoints);
  }

  /** @param sockets where they are; port 0: that is not known yet */
  listens(sockets: readonly Endpoint[]): void {
    const { externalIp, tcpPort } = this.#config;
    this.#local?.listens(endpointsOfSockets(sockets, tcpPort, externalIp));
  }

  /** A node has answered a Ping, and says where it sees us. */
  answered(voter: StatedEndpoint, seenAs: StatedEndpoint): void {
    this.#local?.seen(voter, seenAs);
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
