/** The nodes of a database by name, with what decides how long each stays, and which of them a start begins with. */
import type { Env } from '../../base/env.ts';
import { shuffledNumbers } from '../../base/shuffled.ts';
import { MAX_MISSES } from '../../kad/index.ts';
import { isExpired, type NodeHistory, usefulness } from './history.ts';
import { hasLimits, NO_NETWORK } from './network.ts';
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
    const [names, networks, failures]: [string[], number[], number[]] = [[], [], []];
    for (const [name, { history, network }] of this.#entries) {
      if (history.lastAnswer === 0 || history.lastAnswer < since) continue;
      names.push(name);
      networks.push(network);
      failures.push(history.failures);
    }
    const [live, failing]: [number[], number[]] = [[], []];
    for (const i of shuffledNumbers(names.length, randomBytes)) {
      ((failures[i] ?? 0) < MAX_MISSES ? live : failing).push(i);
    }
    const line = [...live, ...failing];
    const { ofNetwork, ofBlock } = turnsOf(line.map((i) => networks[i] ?? NO_NETWORK));
    const seeds: string[] = [];
    for (const at of inTurn(ofBlock)) {
      const i = line[at] ?? 0;
      const fits = (ofNetwork[at] ?? 0) < SEED_NETWORK_LIMIT && (ofBlock[at] ?? 0) < SEED_BLOCK_LIMIT;
      if (fits || !hasLimits(networks[i] ?? NO_NETWORK)) seeds.push(names[i] ?? '');
    }
    return seeds;
  }

  /**
   * Names of the `count` nodes that are to go first: those whose time is over, those that are of no more use than one
   * that has never answered, and then the others. Among equals the block with the most of them loses the next node, in
   * it the network with the most, in that the node of the least use: whoever has many keys in few networks competes
   * with itself.
   */
  leastUseful(count: number, now: number): string[] {
    const [figures, networks]: [number[], number[]] = [[], []];
    const standings: [number[], number[], number[]] = [[], [], []];
    for (const { history, network } of this.#entries.values()) {
      const figure = usefulness(history, now);
      standings[figure === Number.NEGATIVE_INFINITY ? 0 : figure <= now ? 1 : 2].push(figures.length);
      figures.push(figure);
      networks.push(network);
    }
    const chosen = new Set<number>();
    for (const equals of standings) {
      if (chosen.size >= count) break;
      // Of two that are of the same use the one that came later stays; two that are of none have no difference.
      equals.sort((a, b) => (figures[b] ?? 0) - (figures[a] ?? 0) || b - a);
      const { ofBlock } = turnsOf(equals.map((i) => networks[i] ?? NO_NETWORK));
      for (const at of inTurn(ofBlock).subarray(chosen.size - count)) chosen.add(equals[at] ?? 0);
    }
    return this.names().filter((_, i) => chosen.has(i));
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
