/** Nodes with records of their own, for tests of topic discovery. */
import { VirtualEnv } from '../../../src/base/virtual-env.ts';
import { generateSecretKey } from '../../../src/crypto/index.ts';
import { type NodeRecord, signRecord } from '../../../src/enr/index.ts';
import { type KadNode, nodeOfRecord } from '../../../src/kad/index.ts';

export interface RecordedNode extends KadNode {
  readonly record: NodeRecord;
}

/** A node that takes part in topic discovery, at an IPv4 or IPv6 address. */
export function topicNode(
  env: VirtualEnv,
  ip: string,
  {
    seq = 1n,
    version = 1,
    key = generateSecretKey(env),
  }: { seq?: bigint; version?: number; key?: Uint8Array } = {},
): RecordedNode {
  const place = ip.includes(':') ? { ip6: ip, udp6: 30303 } : { ip, udp: 30303 };
  const record = signRecord(key, { seq, entries: { ...place, 'topic-discovery': version } });
  const node = nodeOfRecord(record);
  if (node === undefined) throw new Error(`no node is at ${ip}`);
  return { ...node, record };
}

export function topicOf(n: number): Uint8Array {
  return new VirtualEnv({ seed: n + 1 }).randomBytes(32);
}
