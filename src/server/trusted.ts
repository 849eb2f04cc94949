import { toBareHex } from '../base/bytes.ts';
import { banNameOf } from './bans.ts';
import type { GivenNode } from './bootnodes.ts';
import { hostsOf, withRecordEndpoints } from './dial-target.ts';

/** Nodes that are let in whatever the limits, as the user has named them. */
export class Trusted {
  /** The names of their addresses by key, all that a record names; undefined for a host name. */
  readonly #addresses = new Map<string, readonly (string | undefined)[]>();

  add(node: GivenNode): void {
    const hosts = hostsOf(withRecordEndpoints(node, node.record));
    this.#addresses.set(toBareHex(node.publicKey), hosts.map(banNameOf));
  }

  delete(key: string): void {
    this.#addresses.delete(key);
  }

  has(key: string): boolean {
    return this.#addresses.has(key);
  }

  /** Whether one of them is at an address, by the name that `banNameOf` gives it. */
  hasAt(name: string): boolean {
    return [...this.#addresses.values()].some((addresses) => addresses.includes(name));
  }
}
