/**
 * Which networks hold how much of a set that is full, so that keys, which cost nothing, do not fill it from a few addresses:
 * as in the node database, blocks of networks count first, and in a block its networks (`node-db/network.ts`).
 */
import { blockOf, hasLimits, networkOf } from './node-db/network.ts';

/** Nodes of one block by network, each with its nodes' keys. */
type Block = Map<number, Set<string>>;

export class NetworkShares {
  readonly #networks = new Map<string, number>();
  readonly #blocks = new Map<number, Block>();
  readonly #sizes = new Map<number, number>();
  /** Blocks by their number of nodes, and the largest number: it changes by one at a time. */
  readonly #bySize = new Map<number, Set<number>>();
  #largest = 0;

  /** A node is there now. @param host an IP address; of this machine, of a LAN or undefined: it is not counted */
  set(key: string, host: string | undefined): void {
    const network = networkOf(host);
    if (this.#networks.get(key) === network) return;
    this.delete(key);
    if (!hasLimits(network)) return;
    this.#networks.set(key, network);
    const number = blockOf(network);
    const block = this.#blocks.get(number) ?? new Map<number, Set<string>>();
    this.#blocks.set(number, block);
    const keys = block.get(network) ?? new Set();
    block.set(network, keys.add(key));
    this.#resize(number, 1);
  }

  delete(key: string): void {
    const network = this.#networks.get(key);
    if (network === undefined) return;
    this.#networks.delete(key);
    const number = blockOf(network);
    const block = this.#blocks.get(number);
    const keys = block?.get(network);
    keys?.delete(key);
    if (keys?.size === 0) block?.delete(network);
    if (block?.size === 0) this.#blocks.delete(number);
    this.#resize(number, -1);
  }

  /**
   * Nodes one of which may give way to a newcomer at `host`: those of the network with the most nodes in the block with the
   * most, when the newcomer's block has fewer even with it; else the same in its own block. Undefined: it finds no place.
   */
  givingWayTo(host: string): ReadonlySet<string> | undefined {
    const network = networkOf(host);
    if (!hasLimits(network)) return undefined;
    const own = blockOf(network);
    if ((this.#sizes.get(own) ?? 0) + 1 < this.#largest) {
      const [number] = this.#bySize.get(this.#largest) ?? [];
      return number === undefined ? undefined : this.#largestOf(number);
    }
    const most = this.#largestOf(own);
    const held = this.#blocks.get(own)?.get(network)?.size ?? 0;
    return most !== undefined && held + 1 < most.size ? most : undefined;
  }

  #largestOf(number: number): ReadonlySet<string> | undefined {
    let most: ReadonlySet<string> | undefined;
    for (const keys of this.#blocks.get(number)?.values() ?? []) {
      if (keys.size > (most?.size ?? 0)) most = keys;
    }
    return most;
  }

  #resize(number: number, change: 1 | -1): void {
    const before = this.#sizes.get(number) ?? 0;
    const after = before + change;
    const left = this.#bySize.get(before);
    left?.delete(number);
    if (left?.size === 0) this.#bySize.delete(before);
    if (after === 0) this.#sizes.delete(number);
    else {
      this.#sizes.set(number, after);
      this.#bySize.set(after, (this.#bySize.get(after) ?? new Set()).add(number));
    }
    if (after > this.#largest) this.#largest = after;
    else if (before === this.#largest && !this.#bySize.has(before)) this.#largest = after;
  }
}
