import { type KadNode, newestRecord, type Table } from '../../kad/index.ts';

/**
 * A node as the ordinary table has it, where that is newer than what others have said of it, or it has said of itself before: it may be
 * somewhere else by now, or not take part any more.
 */
export function newestOf(table: Pick<Table, 'get'>, node: KadNode): KadNode {
  const known = table.get(node.id);
  return known !== undefined && newestRecord(node.record, known.record) !== node.record ? known : node;
}
