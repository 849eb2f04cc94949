import { isLocal } from '../../base/ip-class.ts';
import { setLatest } from '../../base/recent.ts';
import { IpTree } from './ip-tree.ts';
import { boundAt, NO_BOUND, raised } from './lower-bound.ts';
import { DEPARTED_PER_AD, IPV4_LEVELS, IPV6_LEVELS, type TopicParameters } from './parameters.ts';

/** An advertisement as far as its waiting time depends on it. */
export interface Placed {
  /** The topic, as a key of maps. */
  readonly topic: string;
  /** Of the advertiser: 4 bytes, or 16 for IPv6. */
  readonly address: Uint8Array;
}

interface Service {
  count: number;
  bound: number;
}

/** The two parts of a waiting time, in milliseconds. */
interface Parts {
  readonly service: number;
  /** With the safety constant: there is a vertex of the tree for every address, and so a lower bound. */
  readonly address: number;
}

/**
 * What the advertisements in the cache mean for one that comes (discv5-theory.md, "Waiting-Time Function" and
 * "Waiting-Time Lower Bound"). Families have trees of their own: mapped into IPv6, all IPv4 addresses would
 * have the first 96 bits in common. Addresses of this machine and of local networks have no score: nobody out in the net comes
 * from there.
 */
export class WaitingTimes {
  readonly #parameters: TopicParameters;
  readonly #ipv4 = new IpTree(IPV4_LEVELS);
  readonly #ipv6 = new IpTree(IPV6_LEVELS);
  readonly #local = new IpTree(0);
  /** Those that are in the cache. */
  readonly #services = new Map<string, Service>();
  /** The bounds of those that have left it. */
  readonly #departed = new Map<string, number>();
  /** When what was told of a renewal is over, by the advertisement in the cache. */
  readonly #renewals = new Map<Placed, number>();
  #count = 0;

  constructor(parameters: TopicParameters) {
    this.#parameters = parameters;
  }

  /** Numbers of what is kept. */
  get stats(): {
    readonly ads: number;
    readonly services: number;
    readonly departed: number;
    readonly vertices: number;
  } {
    const vertices = this.#ipv4.vertices + this.#ipv6.vertices;
    return { ads: this.#count, services: this.#services.size, departed: this.#departed.size, vertices };
  }

  /** An advertisement is in the cache. */
  add({ topic, address }: Placed): void {
    this.#count++;
    this.#treeOf(address).add(address);
    const service = this.#services.get(topic);
    if (service !== undefined) {
      service.count++;
      return;
    }
    this.#services.set(topic, { count: 1, bound: this.#departed.get(topic) ?? NO_BOUND });
    this.#departed.delete(topic);
  }

  /** One that was added is no longer in the cache. */
  remove(ad: Placed): void {
    const { topic, address } = ad;
    this.#count--;
    this.#renewals.delete(ad);
    this.#treeOf(address).remove(address);
    const service = this.#services.get(topic);
    if (service === undefined || --service.count > 0) return;
    this.#services.delete(topic);
    // The bound lasts longer than the topic, or whoever waits could ask anew as soon as that has gone.
    if (service.bound === NO_BOUND) return;
    setLatest(this.#departed, topic, service.bound, DEPARTED_PER_AD * this.#parameters.c);
  }

  /**
   * How long an advertisement has to have waited to be let in, in milliseconds; infinite when the cache is full.
   * @param cached the same one, if it is in the cache: it does not stand in its own way
   */
  current(ad: Placed, cached?: Placed): number {
    const { service, address } = this.#parts(ad, cached);
    return service + address;
  }

  /**
   * The same as it is told: what was told before to whoever is alike has gone down by no more than the time
   * that has passed. As far as that goes, all that is above `e` is the same. For a renewal nobody but the advertisement itself is
   * alike: else who asks once, and never comes back, would have those that are there lapse.
   */
  bounded(ad: Placed, cached: Placed | undefined, now: number): number {
    if (cached !== undefined) return this.#boundedRenewal(ad, cached, now);
    const parts = this.#parts(ad, undefined);
    const { e } = this.#parameters;
    const known = this.#services.get(ad.topic);
    const departed = this.#departed.get(ad.topic) ?? NO_BOUND;
    const service = Math.max(parts.service, boundAt(known?.bound ?? departed, now));
    if (known !== undefined) known.bound = raised(known.bound, Math.min(service, e), now);
    const tree = this.#treeOf(ad.address);
    const address = Math.max(parts.address, tree.boundFor(ad.address, now));
    tree.raise(ad.address, Math.min(address, e), now);
    return service + address;
  }

  #boundedRenewal(ad: Placed, cached: Placed, now: number): number {
    const toldUntil = this.#renewals.get(cached) ?? NO_BOUND;
    const waitMs = Math.max(this.current(ad, cached), toldUntil - now);
    this.#renewals.set(cached, Math.max(toldUntil, now + Math.min(waitMs, this.#parameters.e)));
    return waitMs;
  }

  #parts({ topic, address }: Placed, cached: Placed | undefined): Parts {
    const { e, c: capacity, pOcc, g } = this.#parameters;
    const own = cached === undefined ? 0 : 1;
    const count = this.#count - own;
    const ofService = (this.#services.get(topic)?.count ?? 0) - own;
    const scale = count >= capacity ? Number.POSITIVE_INFINITY : e * (1 - count / capacity) ** -pOcc;
    const tree = this.#treeOf(address);
    const except = cached !== undefined && this.#treeOf(cached.address) === tree ? cached.address : undefined;
    const score = tree.score(address, except);
    return { service: ofService > 0 ? scale * (ofService / count) : 0, address: scale * (score + g) };
  }

  #treeOf(address: Uint8Array): IpTree {
    if (isLocal(address)) return this.#local;
    return address.length === 4 ? this.#ipv4 : this.#ipv6;
  }
}
