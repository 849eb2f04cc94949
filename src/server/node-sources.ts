/** The sources of nodes that a server mixes. */
import type { Env } from '../base/env.ts';
import { PUBLIC_KEY_LENGTH } from '../crypto/index.ts';
import type { DnsClient } from '../dnsdisc/index.ts';
import { decodeRecord, type Enode, enodeOfRecord } from '../enr/index.ts';
import { ID_LENGTH, type KadNode, kadNode } from '../kad/index.ts';
import type { Discv4Service } from './discv4-service.ts';
import type { Discv5Service } from './discv5-service.ts';
import type { NodeDatabase, StoredNode } from './node-db/index.ts';
import type { FoundNode, MixSource } from './node-mix.ts';

/** Nodes of the database that a start begins with; of those that have answered within so long. */
const SEED_COUNT = 30;
const SEED_MAX_AGE_MS = 5 * 24 * 60 * 60_000;
/** How often nodes that are always the same are gone through. */
const REPEAT_MS = 30 * 60_000;

/** Random lookups, one after another. */
export function v4Source(service: Discv4Service, env: Env): MixSource {
  const open = (signal: AbortSignal) =>
    foundBy('v4', service.lookup(env.randomBytes(PUBLIC_KEY_LENGTH), { signal }));
  return { name: 'v4', open };
}

/** Random lookups, one after another. */
export function v5Source(service: Discv5Service, env: Env): MixSource {
  const open = (signal: AbortSignal) => foundBy('v5', service.lookup(env.randomBytes(ID_LENGTH), { signal }));
  return { name: 'v5', open };
}

async function* foundBy(
  source: 'v4' | 'v5',
  nodes: AsyncIterable<KadNode>,
): AsyncGenerator<FoundNode, void, undefined> {
  for await (const { publicKey, ip: host, tcpPort, udpPort, record } of nodes) {
    yield { publicKey, host, tcpPort, udpPort, record, source };
  }
}

/**
 * The nodes of lists in DNS, in random order. A pass goes on where the last has stopped: it is ended whenever there are
 * enough nodes.
 */
export function dnsSource(client: DnsClient, urls: readonly string[]): MixSource {
  const lists = client.lists(urls);
  async function* nodes(signal: AbortSignal): AsyncGenerator<FoundNode, void, undefined> {
    for await (const record of lists.records({ signal })) {
      const enode = enodeOfRecord(record);
      if (enode !== undefined) yield { ...enode, record, source: 'dns' };
    }
  }
  return { name: 'dns', isFallback: true, open: nodes };
}

/** Nodes that have answered in this run or an earlier one. */
export function databaseSource(database: NodeDatabase): MixSource {
  async function* nodes(signal: AbortSignal): AsyncGenerator<FoundNode, void, undefined> {
    for (const node of await database.seeds(SEED_COUNT, SEED_MAX_AGE_MS, { signal })) {
      const enode = node.endpoint;
      if (enode !== undefined) yield { ...enode, record: recordOf(node), source: 'database' };
    }
  }
  return { name: 'database', repeatMs: REPEAT_MS, open: nodes };
}

export function staticSource(enodes: readonly Enode[]): MixSource {
  async function* nodes(): AsyncGenerator<FoundNode, void, undefined> {
    for (const enode of enodes) yield { ...enode, record: undefined, source: 'static' };
  }
  return { name: 'static', repeatMs: REPEAT_MS, open: nodes };
}

/**
 * Nodes of the database that the tables of discovery begin with.
 * @throws PeerlaneError as `NodeDatabase.seeds`
 */
export async function seedsOf(database: NodeDatabase, signal: AbortSignal): Promise<KadNode[]> {
  const stored = await database.seeds(SEED_COUNT, SEED_MAX_AGE_MS, { signal });
  return stored.map(seedOf).filter((seed) => seed !== undefined);
}

/** `undefined` when the node took no part in discovery. */
function seedOf(node: StoredNode): KadNode | undefined {
  const { publicKey, endpoint } = node;
  if (endpoint === undefined || endpoint.udpPort === 0) return undefined;
  const { host: ip, udpPort, tcpPort } = endpoint;
  return kadNode({ publicKey, ip, udpPort, tcpPort, record: recordOf(node) });
}

/** `seeds` has checked it. */
function recordOf({ record }: StoredNode): FoundNode['record'] {
  return record === undefined ? undefined : decodeRecord(record);
}
