/** How many of a server's slots the nodes of one network have. */
import { NetworkCounts, networksOf } from '../kad/index.ts';

/**
 * Of one /24 (IPv6: /48) at most so many of the slots, and of one IPv6 /32 half of them: whoever has many addresses in few networks,
 * or many nodes at one address, does not keep all others out.
 */
const NETWORK_SHARE = 1 / 5;
const LARGE_NETWORK_SHARE = 1 / 2;

/** This machine and its LAN have no limit. */
export class NetworkSlots {
  readonly #ofNetwork: NetworkCounts;
  readonly #ofLargeNetwork: NetworkCounts;

  constructor(slots: number) {
    this.#ofNetwork = new NetworkCounts(Math.ceil(slots * NETWORK_SHARE));
    this.#ofLargeNetwork = new NetworkCounts(Math.ceil(slots * LARGE_NETWORK_SHARE));
  }

  /** A node at an address has a slot from now on, or none any more. */
  count(host: string, change: 'add' | 'remove'): void {
    const networks = networksOf(host);
    if (networks === undefined) return;
    this.#ofNetwork[change](networks.ofBucket);
    this.#ofLargeNetwork[change](networks.ofTable);
  }

  /** If one more node at an address is too many of its network: which addresses are of it. */
  crowded(host: string): ((other: string) => boolean) | undefined {
    const networks = networksOf(host);
    if (networks === undefined) return undefined;
    const { ofBucket, ofTable } = networks;
    if (!this.#ofNetwork.hasRoom(ofBucket)) return (other) => networksOf(other)?.ofBucket === ofBucket;
    if (!this.#ofLargeNetwork.hasRoom(ofTable)) return (other) => networksOf(other)?.ofTable === ofTable;
    return undefined;
  }
}
