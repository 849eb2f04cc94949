import { isPeerlaneError, PeerlaneError } from '../base/errors.ts';
import { type Enode, NodeRecord } from '../enr/index.ts';
import { type KadNode, nodeOfRecord } from '../kad/index.ts';
import { hasAddress, kadNodeOf } from './bootnodes.ts';
import type { CrawlService } from './crawl-options.ts';

/** What is known of a node now, or why nothing is: it does not answer, or could not be asked. */
export type CrawlAnswer = NodeRecord | Enode | 'silent' | 'unasked';

const UNASKED = ['dial-failed', 'address-refused', 'request-overload', 'request-withheld'] as const;

/** Whether an error of a `CrawlService` says something of one node alone: it goes on. */
export function isOfOneNode(error: unknown): boolean {
  return (['request-timeout', 'invalid-record', ...UNASKED] as const).some((code) =>
    isPeerlaneError(error, code),
  );
}

/** Asks a node of a crawl for its record. @throws PeerlaneError what ends the crawl (`CrawlService`) */
export async function askNode(
  service: CrawlService,
  node: KadNode,
  signal: AbortSignal,
): Promise<CrawlAnswer> {
  const { publicKey, ip: host, udpPort, tcpPort } = node;
  const bare = { publicKey, host, udpPort, tcpPort };
  const record = await answerOf(() => service.requestRecord(node, { signal }));
  if (record === 'unasked') return record;
  // It has answered, and nothing but its address is known of it: as of one that has no record.
  if (record === 'invalid') return bare;
  if (record !== 'silent') {
    if (record instanceof NodeRecord) return record;
    throw new PeerlaneError('invalid-argument', 'service.requestRecord gives no NodeRecord');
  }
  // Some nodes know of no records.
  const pong = await answerOf(() => service.ping(node, { signal, named: true }));
  return pong === 'silent' || pong === 'unasked' ? pong : bare;
}

async function answerOf<T>(ask: () => Promise<T>): Promise<T | 'silent' | 'unasked' | 'invalid'> {
  try {
    return await ask();
  } catch (error) {
    if (isPeerlaneError(error, 'request-timeout')) return 'silent';
    if (isPeerlaneError(error, 'invalid-record')) return 'invalid';
    if (UNASKED.some((code) => isPeerlaneError(error, code))) return 'unasked';
    throw error;
  }
}

/**
 * Where a node of a set takes part in discovery, if it is reached there.
 * @param reaches default: any place
 */
export function placeOf(
  node: NodeRecord | Enode,
  reaches: (node: KadNode) => boolean = () => true,
): KadNode | undefined {
  if (node instanceof NodeRecord) return nodeOfRecord(node, reaches);
  if (node.udpPort === 0 || !hasAddress(node)) return undefined;
  const place = kadNodeOf({ ...node, record: undefined });
  return reaches(place) ? place : undefined;
}
