/** Which nodes of a set stay when it has more than it may have. Pure. */
import { blockOf, hasLimits, NO_NETWORK, networkOf } from './node-db/network.ts';

export interface Sharer {
  readonly key: string;
  /** An IP address; undefined: nobody knows where it is. */
  readonly host: string | undefined;
  readonly score: number;
}

interface Ranked extends Sharer {
  /** How many of its own network, and then of its block of networks, are better. */
  rank: number;
}

/**
 * The keys of those that have to go for `limit` to be left. As when they come one at a time (`NetworkShares`), the network with
 * the most nodes in the block with the most loses the next one, the one with the least score. This machine and its LAN are left
 * out of that, and of nodes without an address no share is known: the former stay before all others, the latter go.
 */
export function beyondShare(nodes: Iterable<Sharer>, limit: number): string[] {
  const ranked = [...nodes].map((node): Ranked => ({ ...node, rank: 0 })).sort((a, b) => b.score - a.score);
  // The sorts are stable: the better one comes first among equals.
  rankWithin(ranked, ({ host }) => networkOf(host));
  ranked.sort(byRank);
  rankWithin(ranked, ({ host }) => blockOf(networkOf(host)));
  ranked.sort(byRank);
  return ranked.slice(limit).map(({ key }) => key);
}

function rankWithin(nodes: readonly Ranked[], groupOf: (node: Ranked) => number): void {
  const counts = new Map<number, number>();
  for (const node of nodes) {
    const group = groupOf(node);
    const count = counts.get(group) ?? 0;
    counts.set(group, count + 1);
    if (hasLimits(networkOf(node.host))) node.rank = count;
    else node.rank = group === NO_NETWORK ? Number.MAX_SAFE_INTEGER : 0;
  }
}

function byRank(a: Ranked, b: Ranked): number {
  return a.rank - b.rank;
}
