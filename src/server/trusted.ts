import { toBareHex } from '../base/bytes.ts';
import type { Enode } from '../enr/index.ts';
import { banNameOf } from './bans.ts';

/** Nodes that are let in whatever the limits, as the user has named them. */
export class Trusted {
  /** The names of their addresses by key; undefined where a host name was given. */
  readonly #addresses = new Map<string, string | undefined>();

  add({ publicKey, host }: Enode): void {
    this.#addresses.set(toBareHex(publicKey), banNameOf(host));
  }

  delete(key: string): void {
    this.#addresses.delete(key);
  }

  has(key: string): boolean {
    return this.#addresses.has(key);
  }

  /** Whether one of them is at an address, by the name that `banNameOf` gives it. */
  hasAt(name: string): boolean {
    for (const address of this.#addresses.values()) if (address === name) return true;
    return false;
  }
}
