/** The trees that are visited together: those that were asked for, and those that they link to. */

import { formatTreeUrl, type TreeUrl } from './tree-url.ts';
import { type Lookup, TreeWalk, type Wait } from './tree-walk.ts';

/** Trees that are visited at a time. */
export const MAX_TREES = 32;
/** Links between a tree that was asked for and one that is visited. */
export const MAX_LINK_DEPTH = 8;

export type Step = { readonly kind: 'lookup'; readonly walk: TreeWalk; readonly lookup: Lookup } | Wait;

export class Forest {
  readonly #roots: readonly TreeUrl[];
  readonly #seqOf: (url: TreeUrl) => bigint;
  #walks = new Map<string, TreeWalk>();

  /**
   * @param roots the trees that are asked for
   * @param seqOf the sequence number of the newest root of a tree that was seen before; zero if none was
   */
  constructor(roots: readonly TreeUrl[], seqOf: (url: TreeUrl) => bigint) {
    this.#roots = roots;
    this.#seqOf = seqOf;
    this.follow();
  }

  /** URLs of the trees that are visited. */
  get urls(): string[] {
    return [...this.#walks.keys()];
  }

  /**
   * @param random draws an integer from 0 to below its argument
   * @param isKnown whether the entry with this hash need not be looked up
   */
  next(now: number, random: (below: number) => number, isKnown: (hash: string) => boolean): Step {
    const walks = [...this.#walks.values()];
    let until = Number.POSITIVE_INFINITY;
    while (walks.length > 0) {
      const [walk] = walks.splice(random(walks.length), 1);
      if (walk === undefined) break;
      const lookup = walk.next(now, random, isKnown);
      if (lookup.kind !== 'wait') return { kind: 'lookup', walk, lookup };
      until = Math.min(until, lookup.until);
    }
    return { kind: 'wait', until };
  }

  /** To be called when the links of a tree have changed. Trees that nobody links to any more are left. */
  follow(): void {
    const walks = new Map<string, TreeWalk>();
    let level = this.#roots;
    for (let depth = 0; depth <= MAX_LINK_DEPTH && level.length > 0; depth++) {
      const below: TreeUrl[] = [];
      for (const url of level) {
        const text = formatTreeUrl(url);
        if (walks.has(text) || walks.size >= MAX_TREES) continue;
        const walk = this.#walks.get(text) ?? new TreeWalk(url, () => this.#seqOf(url));
        walks.set(text, walk);
        below.push(...walk.links.values());
      }
      level = below;
    }
    this.#walks = walks;
  }
}
