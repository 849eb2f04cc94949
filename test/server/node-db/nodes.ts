/** Nodes for tests of the node database. */
import { equalBytes } from '../../../src/base/bytes.ts';
import { publicKeyOf } from '../../../src/crypto/index.ts';
import {
  type Enode,
  type EntryChanges,
  type NodeRecord,
  nodeIdOf,
  signRecord,
} from '../../../src/enr/index.ts';
import { blockOf, hasLimits } from '../../../src/server/node-db/network.ts';
import { SEED_BLOCK_LIMIT, SEED_NETWORK_LIMIT } from '../../../src/server/node-db/node-index.ts';

export const HOUR = 3_600_000;
export const DAY = 24 * HOUR;
/** Some day in 2023, Unix ms. */
export const START = 1_700_000_000_000;

/** A public key for each number; whether it is a point of the curve does not matter to the database. */
export function keyOf(number: number): Uint8Array {
  const publicKey = new Uint8Array(64);
  new DataView(publicKey.buffer).setUint32(0, number);
  return publicKey;
}

export const idOf = (number: number): Uint8Array => nodeIdOf(keyOf(number));

export function endpointOf(number: number, host = '127.0.0.1'): Enode {
  return { publicKey: keyOf(number), host, tcpPort: number % 65_536, udpPort: 30_303 };
}

export function numberOf(publicKey: Uint8Array): number {
  return new DataView(publicKey.buffer, publicKey.byteOffset).getUint32(0);
}

/** A secret key for each number above zero. */
export function secretOf(number: number): Uint8Array {
  const secret = new Uint8Array(32);
  new DataView(secret.buffer).setUint32(28, number);
  return secret;
}

export function recordOf(number: number, seq = 1n, more: EntryChanges = {}): NodeRecord {
  const entries = { ip: '127.0.0.1', udp: 30_303, tcp: number, ...more };
  return signRecord(secretOf(number), { seq, entries });
}

export const recordIdOf = (number: number): Uint8Array => nodeIdOf(publicKeyOf(secretOf(number)));

export function isSame(a: Uint8Array | undefined, b: Uint8Array): boolean {
  return a !== undefined && equalBytes(a, b);
}

export function countBy(keys: Iterable<number>): Map<number, number> {
  const counts = new Map<number, number>();
  for (const key of keys) counts.set(key, (counts.get(key) ?? 0) + 1);
  return counts;
}

/** How many seeds each block gives at most. @param networks those of all nodes that may be seeds */
export function seedsByBlock(networks: Iterable<number>): Map<number, number> {
  const seeds = new Map<number, number>();
  for (const [network, count] of countBy(networks)) {
    const block = blockOf(network);
    const more = hasLimits(network) ? Math.min(count, SEED_NETWORK_LIMIT) : count;
    const sum = (seeds.get(block) ?? 0) + more;
    seeds.set(block, hasLimits(network) ? Math.min(sum, SEED_BLOCK_LIMIT) : sum);
  }
  return seeds;
}
