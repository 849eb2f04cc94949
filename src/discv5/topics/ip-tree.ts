import { boundAt, NO_BOUND, raised } from './lower-bound.ts';

class Vertex {
  /** Addresses that begin with the bits that lead here. */
  count = 0;
  /** The lower bound for addresses whose way through the tree ends here: see `lower-bound.ts`. */
  bound: number;
  readonly children: [Vertex | undefined, Vertex | undefined] = [undefined, undefined];

  constructor(bound: number) {
    this.bound = bound;
  }
}

/**
 * The prefixes of the addresses of all advertisements (discv5-theory.md, "IP Similarity Tree"): at most `levels`
 * vertices for each address that was added.
 */
export class IpTree {
  readonly levels: number;
  readonly #root = new Vertex(NO_BOUND);
  #vertices = 0;

  /** @param levels bits of an address that count; with 0 all addresses are alike, and none has a score */
  constructor(levels: number) {
    this.levels = levels;
  }

  /** Addresses; one that was added twice counts twice. */
  get size(): number {
    return this.#root.count;
  }

  /** Vertices below the root. */
  get vertices(): number {
    return this.#vertices;
  }

  /** @param address at least `levels` bits */
  add(address: Uint8Array): void {
    let vertex = this.#root;
    vertex.count++;
    for (let level = 0; level < this.levels; level++) {
      const bit = bitOf(address, level);
      let child = vertex.children[bit];
      if (child === undefined) {
        // Of those who came here before, some would else get rid of the bound because another one was let in.
        child = new Vertex(vertex.bound);
        vertex.children[bit] = child;
        this.#vertices++;
      }
      child.count++;
      vertex = child;
    }
  }

  /** Takes back one `add`. `false` if there was none. */
  remove(address: Uint8Array): boolean {
    const path = this.#pathOf(address);
    if (path.length <= this.levels || this.size === 0) return false;
    let bound = NO_BOUND;
    for (let level = this.levels; level >= 0; level--) {
      const vertex = path[level];
      if (vertex === undefined) return false;
      // Whoever came to a vertex that has gone comes here from now on, and nobody else does.
      vertex.bound = Math.max(vertex.bound, bound);
      bound = NO_BOUND;
      vertex.count--;
      const parent = path[level - 1];
      if (vertex.count > 0 || parent === undefined) continue;
      parent.children[bitOf(address, level - 1)] = undefined;
      this.#vertices--;
      bound = vertex.bound;
    }
    return true;
  }

  /**
   * How much an address is like those in the tree, from 0 to 1: the part of its prefixes that more of them have than in a
   * tree that is balanced.
   * @param except one that is in the tree, and is to be looked at as if it were not
   */
  score(address: Uint8Array, except?: Uint8Array): number {
    if (this.levels === 0) return 0;
    const total = this.#root.count - (except === undefined ? 0 : 1);
    let over = 0;
    let isLike = except !== undefined;
    this.#pathOf(address).forEach(({ count }, level) => {
      if (level === 0) return;
      isLike &&= except !== undefined && bitOf(except, level - 1) === bitOf(address, level - 1);
      if (count - (isLike ? 1 : 0) > total / 2 ** level) over++;
    });
    return over / this.levels;
  }

  /** The lower bound for an address, in milliseconds. */
  boundFor(address: Uint8Array, now: number): number {
    return boundAt(this.#endOf(address).bound, now);
  }

  /** Raises the lower bound for an address, and for those whose longest prefix in the tree is the same. */
  raise(address: Uint8Array, ms: number, now: number): void {
    const vertex = this.#endOf(address);
    vertex.bound = raised(vertex.bound, ms, now);
  }

  #endOf(address: Uint8Array): Vertex {
    return this.#pathOf(address).at(-1) ?? this.#root;
  }

  /** The vertices for the prefixes of an address, the root first, as far as there are any. */
  #pathOf(address: Uint8Array): Vertex[] {
    const path = [this.#root];
    let vertex: Vertex | undefined = this.#root;
    for (let level = 0; level < this.levels; level++) {
      vertex = vertex.children[bitOf(address, level)];
      if (vertex === undefined) break;
      path.push(vertex);
    }
    return path;
  }
}

function bitOf(address: Uint8Array, index: number): 0 | 1 {
  return ((address[index >> 3] ?? 0) >> (7 - (index & 7))) & 1 ? 1 : 0;
}
