/** What the tables of a network are worth. */
import { toBareHex } from '../../src/base/bytes.ts';
import { BUCKET_SIZE, logDistance } from '../../src/kad/index.ts';
import type { SimNetwork } from './network.ts';
import type { SimNode } from './node.ts';

/** To compare each node with each is too much for a large network. */
const SAMPLE = 200;

export interface TableFigures {
  /** Nodes that are not behind NAT. */
  readonly reachable: number;
  /** Entries, live ones and replacements of a node, on average. */
  readonly entries: number;
  readonly live: number;
  readonly replacements: number;
  /** Of the places that the network has nodes for (16 a bucket at most): the part that is taken by live entries. */
  readonly filled: number;
  /** Of the buckets that the network has 16 nodes for: the part that is full. */
  readonly full: number;
  /** The part of the entries that has left, or cannot be reached. */
  readonly dead: number;
  /** The part of the nodes that is a live entry of another. */
  readonly known: number;
  /** Live entries that name a node, on average and at least; of nodes that can be reached. */
  readonly meanNamed: number;
  readonly leastNamed: number;
  /** Endpoints with a proof, on average. */
  readonly proofs: number;
}

export function tableFigures(network: SimNetwork): TableFigures {
  const { nodes } = network;
  const reachable = nodes.filter(({ identity }) => !identity.isNat);
  const named = new Map(nodes.map(({ identity }) => [toBareHex(identity.node.id), 0]));
  const isReachable = new Set(reachable.map(({ identity }) => toBareHex(identity.node.id)));
  const sums = { entries: 0, live: 0, replacements: 0, dead: 0, proofs: 0 };
  for (const { engine } of nodes) {
    const { entries, live, replacements } = engine.table.stats();
    sums.entries += entries;
    sums.live += live;
    sums.replacements += replacements;
    sums.proofs += engine.proofs;
    for (const { id } of engine.table.entries()) {
      const key = toBareHex(id);
      if (!isReachable.has(key)) sums.dead++;
      const count = named.get(key);
      if (count !== undefined && engine.table.isLive(id)) named.set(key, count + 1);
    }
  }
  const counts = reachable.map(({ identity }) => named.get(toBareHex(identity.node.id)) ?? 0);
  return {
    reachable: reachable.length,
    entries: sums.entries / nodes.length,
    live: sums.live / nodes.length,
    replacements: sums.replacements / nodes.length,
    ...bucketFigures(network, reachable),
    dead: sums.dead / Math.max(1, sums.entries),
    known: counts.filter((count) => count > 0).length / counts.length,
    meanNamed: counts.reduce((a, b) => a + b, 0) / counts.length,
    leastNamed: Math.min(...counts),
    proofs: sums.proofs / nodes.length,
  };
}

/** Of evenly spread nodes. */
function bucketFigures(
  { nodes }: SimNetwork,
  reachable: readonly SimNode[],
): Pick<TableFigures, 'filled' | 'full'> {
  const sums = { possible: 0, taken: 0, fillable: 0, full: 0 };
  const step = Math.max(1, Math.floor(nodes.length / SAMPLE));
  for (let i = 0; i < nodes.length; i += step) {
    const node = nodes[i];
    if (node === undefined) continue;
    const { table } = node.engine;
    const localId = node.identity.node.id;
    const there = countByDistance(
      localId,
      reachable.map(({ identity }) => identity.node.id),
    );
    const ids = table.entries().map(({ id }) => id);
    const taken = countByDistance(
      localId,
      ids.filter((id) => table.isLive(id)),
    );
    for (const [distance, count] of there) {
      if (distance === 0) continue;
      const possible = Math.min(BUCKET_SIZE, count);
      const live = taken.get(distance) ?? 0;
      sums.possible += possible;
      sums.taken += Math.min(possible, live);
      if (count < BUCKET_SIZE) continue;
      sums.fillable++;
      if (live >= BUCKET_SIZE) sums.full++;
    }
  }
  return { filled: sums.taken / sums.possible, full: sums.full / Math.max(1, sums.fillable) };
}

function countByDistance(localId: Uint8Array, ids: readonly Uint8Array[]): Map<number, number> {
  const counts = new Map<number, number>();
  for (const id of ids) {
    const distance = logDistance(localId, id);
    counts.set(distance, (counts.get(distance) ?? 0) + 1);
  }
  return counts;
}
