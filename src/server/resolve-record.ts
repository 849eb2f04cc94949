import { equalBytes } from '../base/bytes.ts';
import { isPeerlaneError, type PeerlaneError } from '../base/errors.ts';
import { type NodeRecord, nodeIdOf } from '../enr/index.ts';
import type { KadNode, TableView } from '../kad/index.ts';
import { type CallOptions, isFaultOfNode } from './discovery-calls.ts';

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
