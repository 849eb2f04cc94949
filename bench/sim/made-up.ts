/** Nodes whose records nobody has signed: who simulates verifies none. */
import type { TopicNode } from '../../src/discv5/topics/index.ts';
import { NodeRecord, topicDiscoveryEntries } from '../../src/enr/index.ts';
import { type KadNode, nodeOfRecord, type UdpEndpoint } from '../../src/kad/index.ts';
import { bytes, encode, encodeList, text, uint } from '../../src/rlp/index.ts';
import type { Random } from './random.ts';

const key = text(32);
const value = bytes();
const number = uint(32);
const SIGNATURE_LENGTH = 64;
const COMPRESSED_KEY_LENGTH = 33;

/**
 * A node that takes part in topic discovery, unless told otherwise. Its record is as long as a real one, and its id as evenly
 * spread.
 */
export function madeUpNode(
  random: Random,
  { ip, port }: UdpEndpoint,
  publicKey: Uint8Array = random.bytes(64),
  takesPart = true,
): TopicNode {
  const topics = takesPart ? Object.keys(topicDiscoveryEntries(1)) : [];
  const entries: readonly (readonly [string, Uint8Array])[] = [
    ['id', encode(key, 'v4')],
    ['ip', encode(value, Uint8Array.from(ip.split('.'), Number))],
    ['secp256k1', encode(value, random.bytes(COMPRESSED_KEY_LENGTH))],
    ['tcp', encode(number, port)],
    ['udp', encode(number, port)],
    ...topics.map((name) => [name, encode(number, 1)] as const),
  ];
  const pairs = entries.toSorted(([a], [b]) => (a < b ? -1 : 1));
  const encoded = encodeList([
    encode(value, random.bytes(SIGNATURE_LENGTH)),
    encode(number, 1),
    ...pairs.flatMap(([name, item]) => [encode(key, name), item]),
  ]);
  return recorded(nodeOfRecord(new NodeRecord(encoded, 1n, publicKey)));
}

function recorded(node: KadNode | undefined): TopicNode {
  if (node?.record === undefined) throw new Error('the record names no place');
  return { ...node, record: node.record };
}
