import { hasTopicDiscovery, type NodeRecord } from '../../enr/index.ts';
import type { KadNode } from '../../kad/index.ts';

/** A node whose record is known. */
export interface TopicNode extends KadNode {
  readonly record: NodeRecord;
}

/** To look into a record takes as long as to decode it, and the same ones are looked at for every request. */
const known = new WeakMap<NodeRecord, boolean>();

/** Whether the node says that it takes part in topic discovery, with our version of it. */
export function takesPart(node: KadNode): node is TopicNode {
  const { record } = node;
  if (record === undefined) return false;
  let answer = known.get(record);
  if (answer === undefined) {
    answer = hasTopicDiscovery(record);
    known.set(record, answer);
  }
  return answer;
}
