import { equalBytes } from '../../base/bytes.ts';
import type { Env } from '../../base/env.ts';
import { randomBelow } from '../../base/random-numbers.ts';
import type { NodeRecord } from '../../enr/index.ts';
import type { KadNode } from '../../kad/index.ts';
import { takesPart } from './capability.ts';
import { MAX_AUXILIARY } from './parameters.ts';
import { topicDistance } from './topic-id.ts';

export interface AuxiliaryRequest {
  /** 32 bytes. */
  readonly topic: Uint8Array;
  /** As they came: any numbers, and any number of them. */
  readonly distances: readonly number[];
  /** Of who asks, 32 bytes. */
  readonly asker: Uint8Array;
}

/**
 * Records that go with an answer (discv5-theory.md, "Auxiliary ENR Selection"): for each of the first 16 distances that
 * are asked for, at most one, by chance, of a node that takes part.
 * @param nodes those that may be told of: live, and such that who asks could reach them
 */
export function chooseAuxiliary(
  { topic, distances, asker }: AuxiliaryRequest,
  nodes: Iterable<KadNode>,
  randomBytes: Env['randomBytes'],
): NodeRecord[] {
  const wanted = new Map<number, NodeRecord[]>();
  for (const distance of distances) {
    if (wanted.size >= MAX_AUXILIARY) break;
    wanted.set(distance, []);
  }
  if (wanted.size === 0) return [];
  for (const node of nodes) {
    const known = wanted.get(topicDistance(topic, node.id));
    if (known !== undefined && takesPart(node) && !equalBytes(node.id, asker)) known.push(node.record);
  }
  const chosen: NodeRecord[] = [];
  for (const records of wanted.values()) {
    const record = records[randomBelow(records.length, randomBytes)];
    if (record !== undefined) chosen.push(record);
  }
  return chosen;
}
