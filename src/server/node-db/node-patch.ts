/** News of a node: checked, and put together with what was known. */
import { checkObject, invalidArgument as invalid, isObject } from '../../base/checks.ts';
import { parseIpv4, parseIpv6 } from '../../base/ip.ts';
import { type Enode, NodeRecord, type RecordForkId } from '../../enr/index.ts';
import type { HistoryPatch } from './history.ts';
import { isErrorCode, MAX_CLIENT_LENGTH, type NodeFacts } from './stored-node.ts';

/** What is new of a node; what is absent stays as it is. Times are Unix ms. */
export interface NodePatch extends HistoryPatch {
  /** Takes the place of one with a lower sequence number. */
  readonly record?: NodeRecord | undefined;
  /** Where the node is; its host is an IP address. */
  readonly endpoint?: Enode | undefined;
  /** It answered a ping then, which ends its failures. */
  readonly lastPong?: number | undefined;
  /** One more answer was waited for in vain. */
  readonly failed?: boolean | undefined;
  /** How an attempt to become its peer ended: without `error` it succeeded, which ends its failures. */
  readonly dial?: HistoryPatch['dial'];
  /** What is known of it otherwise than by a record; beside `record` it counts for nothing, as that says it. */
  readonly forkId?: RecordForkId | undefined;
  /** What its Hello said; the first `MAX_CLIENT_LENGTH` characters are kept. */
  readonly client?: string | undefined;
}

/** Facts to be put over what was known; undefined: as it was. */
export type FactsChange = { readonly [K in keyof NodeFacts]: NodeFacts[K] | undefined };

const NO_CHANGE: FactsChange = {
  publicKey: undefined,
  endpoint: undefined,
  record: undefined,
  seq: undefined,
  forkId: undefined,
  client: undefined,
};

/** @throws PeerlaneError `invalid-argument` */
export function checkPatch(patch: NodePatch): void {
  checkObject('the patch', patch);
  const { record, endpoint, lastPong, failed, dial, forkId, client } = patch;
  if (record !== undefined && !(record instanceof NodeRecord)) throw invalid('record is no NodeRecord');
  if (endpoint !== undefined) checkEndpoint(endpoint);
  checkTime('lastPong', lastPong);
  if (failed !== undefined && typeof failed !== 'boolean') throw invalid('failed is no boolean');
  if (dial !== undefined) {
    if (typeof dial !== 'object' || dial === null) throw invalid('dial is no object');
    if (dial.at === undefined) throw invalid('dial.at is missing');
    checkTime('dial.at', dial.at);
    if (dial.error !== undefined && !isErrorCode(dial.error)) throw invalid('dial.error is no error code');
  }
  if (forkId !== undefined) checkForkId(forkId);
  if (client !== undefined && typeof client !== 'string') throw invalid('client is no string');
}

function checkEndpoint(endpoint: Enode): void {
  if (!isObject(endpoint)) throw invalid('endpoint is no object');
  const { publicKey, host, tcpPort, udpPort } = endpoint;
  if (!(publicKey instanceof Uint8Array) || publicKey.length !== 64) {
    throw invalid('endpoint.publicKey is no Uint8Array of 64 bytes');
  }
  if (typeof host !== 'string' || (parseIpv4(host) ?? parseIpv6(host)) === undefined) {
    throw invalid('endpoint.host is not an IP address');
  }
  for (const port of [tcpPort, udpPort]) {
    if (!Number.isInteger(port) || port < 0 || port > 0xffff) {
      throw invalid('a port of the endpoint is not a number from 0 to 65535');
    }
  }
}

function checkForkId(forkId: RecordForkId): void {
  if (!isObject(forkId)) throw invalid('forkId is no object');
  const { hash, next } = forkId;
  const isNumber = typeof next === 'bigint' && next >= 0n && next < 2n ** 64n;
  if (!(hash instanceof Uint8Array) || hash.length !== 4 || !isNumber) {
    throw invalid('forkId is not { hash: 4 bytes, next: a bigint of 64 bits }');
  }
}

function checkTime(name: string, value: number | undefined): void {
  if (value === undefined || (Number.isSafeInteger(value) && value > 0)) return;
  throw invalid(`${name} is no time: milliseconds, a whole number above 0`);
}

/** The facts in a patch; undefined when it holds none. What is kept is copied. */
export function factsOf({ record, endpoint, forkId, client }: NodePatch): FactsChange | undefined {
  if (record === undefined && endpoint === undefined && forkId === undefined && client === undefined) {
    return undefined;
  }
  const fork = record === undefined ? forkId : record.get('eth');
  const publicKey = (record?.publicKey ?? endpoint?.publicKey)?.slice();
  return {
    publicKey,
    endpoint: endpoint === undefined || publicKey === undefined ? undefined : { ...endpoint, publicKey },
    record: record?.encoded,
    seq: record?.seq,
    forkId: fork === undefined ? undefined : { hash: fork.hash.slice(), next: fork.next },
    client: client?.slice(0, MAX_CLIENT_LENGTH),
  };
}

/** `newer` over `older`; of two records the one with the higher sequence number, of equals the newer. */
export function mergedFacts(older: FactsChange = NO_CHANGE, newer: FactsChange = NO_CHANGE): FactsChange {
  const isRecordNewer =
    newer.record !== undefined && (older.record === undefined || (newer.seq ?? 0n) >= (older.seq ?? 0n));
  const kept = isRecordNewer ? newer : older;
  const { record, seq } = kept;
  return {
    publicKey: newer.publicKey ?? older.publicKey,
    endpoint: newer.endpoint ?? older.endpoint,
    record,
    seq,
    // A record says it, be it by having no such entry.
    forkId: newer.record === undefined ? (newer.forkId ?? older.forkId) : kept.forkId,
    client: newer.client ?? older.client,
  };
}

/** The facts when they are enough to be kept: the key is known. */
export function wholeFacts({ publicKey, seq = 0n, ...rest }: FactsChange): NodeFacts | undefined {
  return publicKey === undefined ? undefined : { publicKey, seq, ...rest };
}
