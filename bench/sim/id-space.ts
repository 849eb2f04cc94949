/** All nodes in the order of their ids, and the tables that they have when they have been there for a while. */
import { compareBytes, toBareHex } from '../../src/base/bytes.ts';
import {
  BUCKET_NETWORK_LIMIT,
  BUCKET_SIZE,
  type KadNode,
  NetworkCounts,
  networksOf,
  TABLE_NETWORK_LIMIT,
} from '../../src/kad/index.ts';
import type { Random } from './random.ts';

/** Of a bucket with more nodes than this as many are drawn by chance, before those that are left are given up. */
const MAX_DRAWS = 512;

export class IdSpace {
  readonly #random: Random;
  /** By id. */
  readonly #nodes: KadNode[];

  constructor(nodes: readonly KadNode[], random: Random) {
    this.#random = random;
    this.#nodes = nodes.toSorted((a, b) => compareBytes(a.id, b.id));
  }

  get size(): number {
    return this.#nodes.length;
  }

  add(node: KadNode): void {
    this.#nodes.splice(this.#from(node.id, 0, this.size), 0, node);
  }

  remove({ id }: KadNode): void {
    const at = this.#from(id, 0, this.size);
    const node = this.#nodes[at];
    if (node !== undefined && compareBytes(node.id, id) === 0) this.#nodes.splice(at, 1);
  }

  /**
   * A table of a node: of each bucket 16 nodes by chance, of one network as many as a table takes.
   * @param known entries that it has already
   */
  tableOf({ id }: KadNode, known: readonly KadNode[] = []): KadNode[] {
    const table = [...known];
    const names = new Set(known.map((node) => toBareHex(node.id)));
    const networks = new NetworkCounts(TABLE_NETWORK_LIMIT);
    for (const { ip } of known) networks.add(networksOf(ip)?.ofTable ?? '');
    let [from, to] = [0, this.size];
    for (let depth = 0; to - from > 1; depth++) {
      const middle = this.#from(prefixed(id, depth), from, to);
      const isUpper = bitOf(id, depth) === 1;
      const [otherFrom, otherTo] = isUpper ? [from, middle] : [middle, to];
      [from, to] = isUpper ? [middle, to] : [from, middle];
      const isOther = (node: KadNode) => sharedBits(node.id, id) === depth;
      const bucket = known.filter(isOther);
      for (const node of this.#fill(bucket, names, networks, otherFrom, otherTo)) table.push(node);
    }
    return table;
  }

  /** Nodes of a range that make a bucket full. */
  #fill(
    bucket: readonly KadNode[],
    names: Set<string>,
    ofTable: NetworkCounts,
    from: number,
    to: number,
  ): KadNode[] {
    const ofBucket = new NetworkCounts(BUCKET_NETWORK_LIMIT);
    for (const { ip } of bucket) ofBucket.add(networksOf(ip)?.ofBucket ?? '');
    const added: KadNode[] = [];
    for (const index of this.#draws(from, to)) {
      if (bucket.length + added.length >= BUCKET_SIZE) break;
      const node = this.#nodes[index];
      const networks = node && networksOf(node.ip);
      if (node === undefined || networks === undefined || names.has(toBareHex(node.id))) continue;
      if (!ofTable.hasRoom(networks.ofTable) || !ofBucket.hasRoom(networks.ofBucket)) continue;
      ofTable.add(networks.ofTable);
      ofBucket.add(networks.ofBucket);
      names.add(toBareHex(node.id));
      added.push(node);
    }
    return added;
  }

  /** Numbers of a range: all of a small one in random order, some of a large one. */
  *#draws(from: number, to: number): Generator<number> {
    const size = to - from;
    const moved = new Map<number, number>();
    for (let i = 0; i < Math.min(size, MAX_DRAWS); i++) {
      const j = i + this.#random.below(size - i);
      yield from + (moved.get(j) ?? j);
      moved.set(j, moved.get(i) ?? i);
    }
  }

  /** The first of a range whose id is no smaller. */
  #from(id: Uint8Array, from: number, to: number): number {
    let [low, high] = [from, to];
    while (low < high) {
      const middle = (low + high) >> 1;
      const node = this.#nodes[middle];
      if (node !== undefined && compareBytes(node.id, id) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function bitOf(id: Uint8Array, index: number): number {
  return ((id[index >> 3] ?? 0) >> (7 - (index & 7))) & 1;
}

/** The first `depth` bits of an id, then a one and zeros: where the upper half of all that begin so begins. */
function prefixed(id: Uint8Array, depth: number): Uint8Array {
  const prefix = new Uint8Array(id.length);
  const at = depth >> 3;
  prefix.set(id.subarray(0, at));
  const bit = 0x80 >> (depth & 7);
  prefix[at] = ((id[at] ?? 0) & ~(2 * bit - 1)) | bit;
  return prefix;
}

function sharedBits(a: Uint8Array, b: Uint8Array): number {
  for (let at = 0; at < a.length; at++) {
    const difference = (a[at] ?? 0) ^ (b[at] ?? 0);
    if (difference !== 0) return 8 * at + Math.clz32(difference) - 24;
  }
  return 8 * a.length;
}
