/** What one version of discovery is told of what the other one has seen, and what a server is told of both. */
import { toBareHex } from '../base/bytes.ts';
import type { Env } from '../base/env.ts';
import { Held } from '../base/recent.ts';
import { type KadNode, reachedNode, type TableView } from '../kad/index.ts';
import type { Discv4ServiceEvent } from './discv4-options.ts';
import type { Discv5ServiceEvent } from './discv5-options.ts';

export const DISCOVERY_VERSIONS = ['v4', 'v5'] as const;
export type DiscoveryVersion = (typeof DISCOVERY_VERSIONS)[number];

export type DiscoveryVersionEvent = Discv4ServiceEvent | Discv5ServiceEvent;

/** A version that knows fewer nodes is told of those that answer the other one: most nodes speak both. */
export const FEW_NODES = 32;
/** The nodes of which it was told last, and for how long it is not told of one again. */
const MAX_TOLD = 1024;
export const TOLD_MS = 60_000;

/** What of a service is looked at, and told. */
export interface ToldService {
  readonly table: Pick<TableView, 'size' | 'has' | 'isLive'>;
  /** 0: it does not run. */
  readonly port: number;
  reaches(node: KadNode): boolean;
  addNode(node: KadNode): void;
}

export class ToldVersions {
  readonly #env: Pick<Env, 'now'>;
  readonly #told = new Held(MAX_TOLD);
  #isClosed = false;

  constructor(env: Pick<Env, 'now'>) {
    this.#env = env;
  }

  /** Nothing is told any more, not even of what was on its way. */
  close(): void {
    this.#isClosed = true;
  }

  /**
   * Tells the other version of a node, where that is of use to it.
   * @returns whether the event is one of the server: of what both tell it hears once
   */
  heard(
    version: DiscoveryVersion,
    event: DiscoveryVersionEvent,
    { v4, v5 }: { readonly v4: ToldService | undefined; readonly v5: ToldService | undefined },
  ): boolean {
    if (event.kind === 'record-received' && version === 'v4') {
      this.#tell(v5, { ...event.node, record: event.record });
    }
    if (event.kind === 'node-answered' && version === 'v5') this.#tell(v4, event.node);
    if (event.kind === 'node-silent') {
      const other = version === 'v4' ? v5 : v4;
      // That a node does not speak one version is not its failure.
      if (other?.table.isLive(event.node.id)) return false;
      // One that is gone has failed once, where both know it.
      return !(version === 'v5' && other?.table.has(event.node.id));
    }
    // Both have the one socket.
    return !(event.kind === 'listener-failed' && version === 'v5' && v4 !== undefined);
  }

  #tell(to: ToldService | undefined, node: KadNode): void {
    if (to === undefined || this.#isClosed || to.port === 0) return;
    if (to.table.size >= FEW_NODES || to.table.has(node.id)) return;
    const key = toBareHex(node.id);
    const now = this.#env.now();
    if (this.#told.has(key, now) || !hasWay(to, node)) return;
    this.#told.hold(key, now, TOLD_MS);
    to.addNode(node);
  }
}

/** Whether a version has a way to any of the places that the node's record names. */
export function hasWay(service: Pick<ToldService, 'reaches'>, node: KadNode): boolean {
  return reachedNode(node, (place) => service.reaches(place)) !== undefined;
}
