/**
 * What is remembered of many, each of which comes from somewhere. Keys cost nothing, and of IPv6 addresses one host has as many
 * as it likes: so that none makes a server forget all others, no network has more than its part.
 */
import { blockOf, hasLimits, NO_NETWORK, networkOf } from './node-db/network.ts';

/** How many are remembered; of more, those of which nothing was heard for the longest time are forgotten. */
export interface MemoryLimits {
  readonly all: number;
  /** Of one /24 (IPv6: /48); this machine and its LAN have no part of their own, ... */
  readonly network: number;
  /** ... and of one /16 (IPv6: /32). */
  readonly block: number;
}

interface Remembered<V> {
  readonly value: V;
  readonly network: number;
}

export class NetworkMemory<V> {
  readonly #limits: MemoryLimits;
  readonly #isKept: (key: string) => boolean;
  readonly #all = new Map<string, Remembered<V>>();
  /** Their keys by network and by block. As in all, what was set last stands last. */
  readonly #networks = new Map<number, Set<string>>();
  readonly #blocks = new Map<number, Set<string>>();

  /** @param isKept whether it is not to be forgotten, also where that is more than there may be */
  constructor(limits: MemoryLimits, isKept: (key: string) => boolean = () => false) {
    this.#limits = limits;
    this.#isKept = isKept;
  }

  get size(): number {
    return this.#all.size;
  }

  get(key: string): V | undefined {
    return this.#all.get(key)?.value;
  }

  *values(): Generator<V, void, undefined> {
    for (const { value } of this.#all.values()) yield value;
  }

  *entries(): Generator<readonly [key: string, value: V], void, undefined> {
    for (const [key, { value }] of this.#all) yield [key, value];
  }

  /** @param host where it comes from, an IP address; undefined: as before */
  set(key: string, value: V, host?: string): void {
    const known = this.#all.get(key);
    const network = host === undefined ? (known?.network ?? NO_NETWORK) : networkOf(host);
    this.delete(key);
    this.#all.set(key, { value, network });
    const { all, ...limits } = this.#limits;
    if (hasLimits(network)) {
      this.#forget(added(this.#networks, network, key), limits.network);
      this.#forget(added(this.#blocks, blockOf(network), key), limits.block);
    }
    // To begin with the oldest takes longer than all else.
    if (known === undefined) this.#forget(this.#all, all);
  }

  delete(key: string): void {
    const network = this.#all.get(key)?.network;
    if (network === undefined) return;
    this.#all.delete(key);
    if (!hasLimits(network)) return;
    remove(this.#networks, network, key);
    remove(this.#blocks, blockOf(network), key);
  }

  #forget(keys: ReadonlySet<string> | ReadonlyMap<string, unknown>, max: number): void {
    if (keys.size <= max) return;
    for (const key of keys.keys()) {
      if (!this.#isKept(key)) this.delete(key);
      if (keys.size <= max) return;
    }
  }
}

function added(groups: Map<number, Set<string>>, number: number, key: string): ReadonlySet<string> {
  const group = groups.get(number) ?? new Set();
  groups.set(number, group.add(key));
  return group;
}

function remove(groups: Map<number, Set<string>>, number: number, key: string): void {
  const group = groups.get(number);
  group?.delete(key);
  if (group?.size === 0) groups.delete(number);
}
