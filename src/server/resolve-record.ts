import { equalBytes } from '../base/bytes.ts';
import { isPeerlaneError, type PeerlaneError } from '../base/errors.ts';
import { type NodeRecord, nodeIdOf } from '../enr/index.ts';
import { type KadNode, logDistance, type TableView } from '../kad/index.ts';
import { type CallOptions, isFaultOfNode, orNone } from './discovery-calls.ts';

/** The closest to an id, which are asked for the record of a node that cannot be asked itself. */
const RESOLVING_NODES = 3;

/** What a record is searched with. */
export interface RecordSearch {
  readonly table: Pick<TableView, 'get'>;
  lookup(target: Uint8Array, options: CallOptions): AsyncIterable<KadNode>;
  requestRecord(node: KadNode, options: CallOptions): Promise<NodeRecord>;
}

/** As `Discv4Service.resolve`, of a public key that has been checked, and is not our own. */
export async function resolveRecord(
  search: RecordSearch,
  publicKey: Uint8Array,
  options: CallOptions,
): Promise<NodeRecord | undefined> {
  let invalid: PeerlaneError | undefined;
  for await (const place of placesOf(search, publicKey, options)) {
    try {
      return await search.requestRecord(place, options);
    } catch (error) {
      if (!isFaultOfNode(error)) throw error;
      if (isPeerlaneError(error, 'invalid-record')) invalid = error;
    }
  }
  if (invalid !== undefined) throw invalid;
  return undefined;
}

/** Where the node may be: where it is known, and then where others say that it is. */
async function* placesOf(
  search: RecordSearch,
  publicKey: Uint8Array,
  options: CallOptions,
): AsyncGenerator<KadNode, void, undefined> {
  const known = search.table.get(nodeIdOf(publicKey));
  if (known !== undefined) yield known;
  for await (const node of search.lookup(publicKey, options)) {
    if (equalBytes(node.publicKey, publicKey)) yield node;
  }
}

/** What the record of an id is searched with. */
export interface IdSearch extends RecordSearch {
  lookup(target: Uint8Array, options: CallOptions): AsyncGenerator<KadNode, KadNode[], undefined>;
  findNode(node: KadNode, distances: readonly number[], options: CallOptions): Promise<NodeRecord[]>;
}

/** As `Discv5Service.resolve`, of an id that has been checked, and is not our own. */
export async function resolveId(
  search: IdSearch,
  id: Uint8Array,
  options: CallOptions,
): Promise<NodeRecord | undefined> {
  const known = search.table.get(id);
  if (known !== undefined) {
    const own = await orNone(search.requestRecord(known, options));
    if (own !== undefined) return own;
  }
  let newest = known?.record;
  const lookup = search.lookup(id, options);
  try {
    let next = await lookup.next();
    for (; next.done !== true; next = await lookup.next()) {
      if (!equalBytes(next.value.id, id)) continue;
      const own = await orNone(search.requestRecord(next.value, options));
      if (own !== undefined) return own;
      newest = newerOf(newest, next.value.record);
    }
    return newest ?? (await heldByOthers(search, id, next.value, options));
  } finally {
    await lookup.return([]);
  }
}

/** Lookups pass over nodes that cannot be asked from here; those next to them have their records all the same. */
async function heldByOthers(
  search: IdSearch,
  id: Uint8Array,
  closest: readonly KadNode[],
  options: CallOptions,
): Promise<NodeRecord | undefined> {
  let newest: NodeRecord | undefined;
  const others = closest.filter((node) => !equalBytes(node.id, id));
  for (const node of others.slice(0, RESOLVING_NODES)) {
    const records = await orNone(search.findNode(node, [logDistance(node.id, id)], options));
    newest = newerOf(
      newest,
      records?.find(({ nodeId }) => equalBytes(nodeId, id)),
    );
  }
  return newest;
}

function newerOf(a: NodeRecord | undefined, b: NodeRecord | undefined): NodeRecord | undefined {
  return a === undefined || (b !== undefined && b.seq > a.seq) ? b : a;
}
