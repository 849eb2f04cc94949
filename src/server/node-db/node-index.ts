/** The nodes of a database by name, with what decides how long each stays, and which of them a start begins with. */
import type { Env } from '../../base/env.ts';
import { MAX_MISSES } from '../../kad/index.ts';
import { isExpired, type NodeHistory, usefulness } from './history.ts';
import { hasLimits } from './network.ts';
import { inTurn, turnsOf } from './turns.ts';

/** Seeds of one /24 (IPv6: /48), as many as a bucket of the table takes; of this machine and its LAN there is no limit. */
export const SEED_NETWORK_LIMIT = 2;
/** Seeds of one /16 (IPv6: /32). */
export const SEED_BLOCK_LIMIT = 10;

export interface IndexEntry {
  readonly history: NodeHistory;
  /** Something of the node is on the disk, or on its way there. */
  stored: boolean;
  /** Where it is, as `networkOf` has it: with its last endpoint. */
  network: number;
}

/**
 * How many nodes a network has is not kept, but counted where it is asked: when a full database makes room, which it
 * does for many nodes at once, and at a start. So there are no counts that could go wrong, or fill memory.
 */
export class NodeIndex {
  readonly #entries = new Map<string, IndexEntry>();
  /** Where the search for expired nodes goes on. */
  #cursor: IterableIterator<[string, IndexEntry]> | undefined;

  get size(): number {
    return this.#entries.size;
  }

  get(name: string): IndexEntry | undefined {
    return this.#entries.get(name);
  }

  set(name: string, entry: IndexEntry): void {
    this.#entries.set(name, entry);
  }

  delete(name: string): boolean {
    return this.#entries.delete(name);
  }

  names(): string[] {
    return [...this.#entries.keys()];
  }

  /**
   * Names of nodes that have answered at `since` or later, no more of a network than the limits of seeds allow. They
   * are random, but blocks take turns, and those that have lately failed as often as it takes to leave a table come
   * last in each turn.
   */
  seeds(since: number, randomBytes: Env['randomBytes']): string[] {
    const answered = [...this.#entries].filter(
      ([
        ,
        {
          history: { lastAnswer },
        },
      ]) => {
        return lastAnswer > 0 && lastAnswer >= since;
      },
    );
    shuffle(answered, randomBytes);
    const isLive = ([, { history }]: [string, IndexEntry]): boolean => history.failures < MAX_MISSES;
    const nodes = [...answered.filter(isLive), ...answered.filter((node) => !isLive(node))];
    const { ofNetwork, ofBlock } = turnsOf(nodes.map(([, { network }]) => network));
    const names: string[] = [];
    for (const i of inTurn(ofBlock)) {
      const node = nodes[i];
      const fits = (ofNetwork[i] ?? 0) < SEED_NETWORK_LIMIT && (ofBlock[i] ?? 0) < SEED_BLOCK_LIMIT;
      if (node !== undefined && (fits || !hasLimits(node[1].network))) names.push(node[0]);
    }
    return names;
  }

  /**
   * Names of the `count` nodes that are to go first: those whose time is over, those that are of no more use than one
   * that has never answered, and then the others. Among equals the block with the most of them loses the next node, in
   * it the network with the most, in that the node of the least use: whoever has many keys in few networks competes
   * with itself.
   */
  leastUseful(count: number, now: number): string[] {
    const nodes = [...this.#entries];
    const figures = Float64Array.from(nodes, ([, { history }]) => usefulness(history, now));
    const standings: [number[], number[], number[]] = [[], [], []];
    for (const [i, figure] of figures.entries()) {
      standings[figure === Number.NEGATIVE_INFINITY ? 0 : figure <= now ? 1 : 2].push(i);
    }
    const chosen: number[] = [];
    for (const equals of standings) {
      if (chosen.length >= count) break;
      // Of two that are of the same use the one that came later stays; two that are of none have no difference.
      equals.sort((a, b) => (figures[b] ?? 0) - (figures[a] ?? 0) || b - a);
      const { ofBlock } = turnsOf(equals.map((i) => nodes[i]?.[1].network ?? 0));
      for (const i of inTurn(ofBlock).subarray(chosen.length - count)) chosen.push(equals[i] ?? 0);
    }
    return chosen.map((i) => nodes[i]?.[0] ?? '');
  }

  /** Looks at the next `count` nodes, in rounds, and gives the names of those whose time is over. */
  nextExpired(count: number, now: number): string[] {
    const names: string[] = [];
    this.#cursor ??= this.#entries.entries();
    for (let looked = 0; looked < count; looked++) {
      const next = this.#cursor.next();
      if (next.done === true) {
        this.#cursor = undefined;
        break;
      }
      const [name, { history }] = next.value;
      if (isExpired(history, now)) names.push(name);
    }
    return names;
  }
}

function shuffle<T>(items: T[], randomBytes: Env['randomBytes']): void {
  // One draw for all: each by itself takes longer than all the rest.
  const bytes = randomBytes(4 * items.length);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let i = items.length - 1; i > 0; i--) {
    const j = view.getUint32(4 * i) % (i + 1);
    const [a, b] = [items[i], items[j]];
    if (a === undefined || b === undefined) continue;
    items[i] = b;
    items[j] = a;
  }
}
