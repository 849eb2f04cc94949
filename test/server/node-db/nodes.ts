/** Nodes for tests of the node database. */
import { equalBytes } from '../../../src/base/bytes.ts';
import { publicKeyOf } from '../../../src/crypto/index.ts';
import { type Enode, type NodeRecord, nodeIdOf, signRecord } from '../../../src/enr/index.ts';

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

export function endpointOf(number: number): Enode {
  return { publicKey: keyOf(number), host: '127.0.0.1', tcpPort: number % 65_536, udpPort: 30_303 };
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

export function recordOf(number: number, seq = 1n): NodeRecord {
  return signRecord(secretOf(number), { seq, entries: { ip: '127.0.0.1', udp: 30_303, tcp: number } });
}

export const recordIdOf = (number: number): Uint8Array => nodeIdOf(publicKeyOf(secretOf(number)));

export function isSame(a: Uint8Array | undefined, b: Uint8Array): boolean {
  return a !== undefined && equalBytes(a, b);
}
