/** The nodes of a database by name, with what decides how long each stays. */
import { isExpired, type NodeHistory, usefulness } from './history.ts';

export interface IndexEntry {
  readonly history: NodeHistory;
  /** Something of the node is on the disk, or on its way there. */
  stored: boolean;
}

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

  /** Names of nodes that have answered at `since` or later. */
  answeredSince(since: number): string[] {
    const names: string[] = [];
    for (const [name, { history }] of this.#entries) {
      if (history.lastAnswer > 0 && history.lastAnswer >= since) names.push(name);
    }
    return names;
  }

  /** Names of the `count` nodes that are of the least use. */
  leastUseful(count: number, now: number): string[] {
    const figures = Float64Array.from(this.#entries.values(), ({ history }) => usefulness(history, now));
    const limit = figures.toSorted()[count - 1] ?? Number.POSITIVE_INFINITY;
    const [below, equal]: [string[], string[]] = [[], []];
    let at = 0;
    for (const name of this.#entries.keys()) {
      const figure = figures[at++] ?? 0;
      if (figure < limit) below.push(name);
      else if (figure === limit) equal.push(name);
    }
    return [...below, ...equal].slice(0, count);
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
