/** The services of discovery that a command runs: of one version, or of both on one socket. */
import type { Env } from '../base/env.ts';
import { toPeerlaneError } from '../base/errors.ts';
import type { NodeRecord } from '../enr/index.ts';
import type { KadNode } from '../kad/index.ts';
import { Discv4Service } from '../server/discv4-service.ts';
import { Discv5Service } from '../server/discv5-service.ts';
import { endpointsOf, LocalNode, placesOf } from '../server/local-node.ts';
import type { NetRestrictOptions } from '../server/net-restrict.ts';
import { type DiscoveryService, RunningVersions } from '../server/running-versions.ts';
import { SharedUdp } from '../server/shared-udp.ts';
import type { DiscoveryVersion, DiscoveryVersionEvent } from '../server/told-versions.ts';
import type { ListenAddress } from './arguments.ts';

export type AskingService = DiscoveryService;
export type AskingEvent = DiscoveryVersionEvent;

/** Events that tell of somebody who is there. */
const ANSWERS: ReadonlySet<AskingEvent['kind']> = new Set([
  'node-answered',
  'nodes-received',
  'record-received',
]);

export function isAnswer({ kind }: AskingEvent): boolean {
  return ANSWERS.has(kind);
}

/** What both versions take. */
export interface VersionsOptions extends NetRestrictOptions {
  readonly key: Uint8Array;
  /** One, or one of each family. */
  readonly listen: readonly ListenAddress[];
  readonly seeds: readonly KadNode[];
  readonly env: Env;
  /** Whether v5 searches topics or, if its record says so, keeps advertisements of others. */
  readonly topics: boolean;
  /** Default: one that all have and that follows what others see. It does not say that topics are kept. */
  readonly record?: () => NodeRecord;
  readonly onEvent: (event: AskingEvent, version: DiscoveryVersion) => void;
}

/** @throws PeerlaneError `port-in-use`, `listen-failed`, `invalid-argument`, `invalid-secret-key` */
export async function startVersions(
  versions: readonly DiscoveryVersion[],
  { listen: places, record, ...options }: VersionsOptions,
): Promise<RunningVersions> {
  const listen = new SharedUdp(places);
  if (record !== undefined) return await started(versions, { ...options, listen, record });
  const { key, env, onEvent } = options;
  const failed = (error: unknown): void =>
    onEvent({ kind: 'record-failed', error: toPeerlaneError(error) }, 'v4');
  const local = new LocalNode({ key, env, database: undefined, failed });
  return await started(versions, {
    ...{ ...options, listen, record: () => local.record },
    onEvent: (event, version) => {
      if (event.kind === 'listening') local.listens(endpointsOf(placesOf([], listen.endpoints)));
      if (event.kind === 'node-answered') local.seen(event.node, event.seenAs);
      onEvent(event, version);
    },
  });
}

async function started(
  versions: readonly DiscoveryVersion[],
  { onEvent, topics, ...shared }: Omit<VersionsOptions, 'listen'> & { readonly listen: SharedUdp },
): Promise<RunningVersions> {
  const told = (version: DiscoveryVersion) => (event: AskingEvent) => onEvent(event, version);
  const running = new RunningVersions(
    versions.includes('v4') ? new Discv4Service({ ...shared, onEvent: told('v4') }) : undefined,
    versions.includes('v5') ? new Discv5Service({ ...shared, topics, onEvent: told('v5') }) : undefined,
  );
  await running.start();
  return running;
}
