/** Nodes for tables: ids at wanted distances, addresses that no two nodes share a network with. */
import { equalBytes } from '../../src/base/bytes.ts';
import { formatIpv4 } from '../../src/base/ip.ts';
import type { VirtualEnv } from '../../src/base/virtual-env.ts';
import { type KadNode, kadNode, type Table } from '../../src/kad/index.ts';

/** An address in the `index`-th of 2^16 networks /24, none of them private. */
export function ipOf(index: number, host = 1): string {
  return formatIpv4(Uint8Array.of(11 + (index >>> 16), (index >>> 8) & 0xff, index & 0xff, host));
}

export interface Fields {
  readonly ip?: string;
  readonly udpPort?: number;
  readonly tcpPort?: number;
}

/** A node with a random key, so with an id that nobody chose. */
export function randomNode(
  env: VirtualEnv,
  { ip = ipOf(0), udpPort = 30303, tcpPort = 0 }: Fields = {},
): KadNode {
  return kadNode({ publicKey: env.randomBytes(64), ip, udpPort, tcpPort });
}

/** A node with an id at a log-distance; no key has such an id. `n` tells those of one distance apart, below 2^16. */
export function nodeAt(localId: Uint8Array, distance: number, n: number, fields: Fields = {}): KadNode {
  const id = localId.slice();
  const flip = (bit: number): void => {
    const at = 31 - (bit >> 3);
    id[at] = (id[at] ?? 0) ^ (1 << (bit & 7));
  };
  flip(distance - 1);
  for (let i = 0; i < 16; i++) if ((n >> i) & 1) flip(distance - 2 - i);
  const { ip = ipOf(distance * 256 + n), udpPort = 30303, tcpPort = 0 } = fields;
  return { id, publicKey: new Uint8Array(64), ip, udpPort, tcpPort, record: undefined };
}

/** A random id at a log-distance of 17..256. */
export function idAt(localId: Uint8Array, distance: number, env: VirtualEnv): Uint8Array {
  const [a = 0, b = 0] = env.randomBytes(2);
  return nodeAt(localId, distance, (a << 8) | b).id;
}

/** Makes an entry go: it answers no check any more. Others that are checked meanwhile answer. */
export function silence(table: Table, id: Uint8Array): void {
  while (table.has(id)) {
    const now = table.deadline;
    const due = table.nextCheck(now);
    if (due === undefined) throw new Error('the entry is on no list');
    table.checked(due.id, equalBytes(due.id, id) ? undefined : due, now);
  }
}

/** The same node elsewhere. */
export function movedTo(node: KadNode, ip: string): KadNode {
  return { ...node, ip };
}

/** In an order that follows from the seed of `env`. */
export function shuffled<T>(items: readonly T[], env: VirtualEnv): T[] {
  const all = [...items];
  const random = env.randomBytes(3 * all.length);
  for (let i = all.length - 1; i > 0; i--) {
    const [a = 0, b = 0, c = 0] = random.subarray(3 * i);
    const j = ((a << 16) | (b << 8) | c) % (i + 1);
    const [x, y] = [all[i], all[j]];
    if (x !== undefined && y !== undefined) [all[i], all[j]] = [y, x];
  }
  return all;
}
