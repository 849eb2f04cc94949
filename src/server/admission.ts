/** Whom a server lets in: looked at before a connection costs more than its socket. */
import { toBareHex } from '../base/bytes.ts';
import type { Env } from '../base/env.ts';
import { type PeerlaneError, remoteError } from '../base/errors.ts';
import { isLocal } from '../base/ip-class.ts';
import { type Rate, RateLimit } from '../base/rate-limit.ts';
import { Held } from '../base/recent.ts';
import { type AddressRule, addressOf } from './net-restrict.ts';
import { blockOf, networkOf } from './node-db/network.ts';

/** An address may try once in this time; nobody redials sooner (`REDIAL_INTERVAL_MS`). As in go-ethereum. */
export const INBOUND_INTERVAL_MS = 30_000;

/** Addresses that are remembered; of more than come in that time the oldest are forgotten. */
export const MAX_INBOUND_HISTORY = 16_384;

/** How often one of a network (/24, IPv6: /48) may try: half of a /24 at once. A site with hundreds of nodes does not come near it. */
export const NETWORK_INBOUND_RATE: Rate = { perSecond: 4, burst: 128 };
/** The same of a block of networks (/16, IPv6: /32). */
export const BLOCK_INBOUND_RATE: Rate = { perSecond: 16, burst: 256 };
/** Networks, and blocks, whose rates are remembered. */
const MAX_RATED_NETWORKS = 4096;

/** The bytes of an IPv6 address that are one host's choice: it has a /64. */
const IPV6_HOST_PREFIX = 8;

export class Admission {
  readonly #env: Pick<Env, 'now'>;
  readonly #allows: AddressRule;
  readonly #isBanned: (ip: string) => boolean;
  readonly #held = new Held(MAX_INBOUND_HISTORY);
  readonly #networks = new RateLimit(NETWORK_INBOUND_RATE, MAX_RATED_NETWORKS);
  readonly #blocks = new RateLimit(BLOCK_INBOUND_RATE, MAX_RATED_NETWORKS);

  /** @param isBanned whether an address is banned at the moment */
  constructor(env: Pick<Env, 'now'>, allows: AddressRule, isBanned: (ip: string) => boolean = () => false) {
    this.#env = env;
    this.#allows = allows;
    this.#isBanned = isBanned;
  }

  /** Addresses that are remembered. */
  get size(): number {
    return this.#held.size;
  }

  /** Why the address is not let in; if it is, it is not for a while. Whoever tries too soon does not wait longer for that. */
  refusal(ip: string): PeerlaneError | undefined {
    if (!this.#allows(ip))
      return remoteError('address-refused', 'the address is in a network that is refused');
    if (this.#isBanned(ip)) return remoteError('banned', 'the address is banned');
    const address = addressOf(ip);
    // Many nodes may share one, as those behind a router do.
    if (address === undefined || isLocal(address)) return undefined;
    const key = toBareHex(address.length === 4 ? address : address.subarray(0, IPV6_HOST_PREFIX));
    const now = this.#env.now();
    if (this.#held.has(key, now)) {
      return remoteError('inbound-throttled', 'the address has tried to connect a short time ago');
    }
    if (!this.#admitsNetwork(ip, now)) {
      return remoteError('inbound-throttled', 'its network has tried to connect too often');
    }
    this.#held.hold(key, now, INBOUND_INTERVAL_MS);
    return undefined;
  }

  /** Whoever is refused takes nothing from others. */
  #admitsNetwork(ip: string, now: number): boolean {
    const number = networkOf(ip);
    const [network, block] = [String(number), String(blockOf(number))];
    return (
      this.#blocks.allows(block, now) && this.#networks.take(network, now) && this.#blocks.take(block, now)
    );
  }
}
