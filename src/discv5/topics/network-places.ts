import { type Ad, adKey } from './ad-cache.ts';

/** An attempt to get an advertisement in. */
export interface Applicant {
  readonly ad: Ad;
  /** The same one, if it is in the cache: it is to be renewed. */
  readonly cached: Ad | undefined;
  readonly startedAt: number;
  readonly now: number;
}

interface Claim {
  /** The topic and the advertiser: a node may have several topics. */
  readonly key: string;
  readonly startedAt: number;
  readonly until: number;
}

interface Occupied {
  /** The one that expires first stands first. */
  readonly ads: Set<Ad>;
  claim: Claim | undefined;
}

/**
 * The places that advertisements of one network have for a topic, or those of one host for all topics, which they take in turn: who is
 * told to wait for one while nobody has waited longer claims the place that is free first, which is then not renewed. There is one claim
 * for a network, or a host, that has an advertisement in the cache, and nothing of others.
 */
export class NetworkPlaces {
  readonly #limit: number;
  readonly #keyOf: (ad: Ad) => string | undefined;
  readonly #networks = new Map<string, Occupied>();

  /** @param keyOf of the topic and the network, or the host; `undefined` where there is no limit */
  constructor(limit: number, keyOf: (ad: Ad) => string | undefined) {
    this.#limit = limit;
    this.#keyOf = keyOf;
  }

  /** Networks, each of a topic, or hosts that have an advertisement. */
  get size(): number {
    return this.#networks.size;
  }

  /** @param cached the same one, which is renewed by it; a claim of somebody else outlives that */
  add(ad: Ad, cached?: Ad): void {
    const key = this.#keyOf(ad);
    if (key !== undefined) {
      const network = this.#networks.get(key) ?? { ads: new Set(), claim: undefined };
      network.ads.add(ad);
      if (network.claim?.key === adKey(ad)) network.claim = undefined;
      this.#networks.set(key, network);
    }
    if (cached !== undefined) this.remove(cached);
  }

  remove(ad: Ad): void {
    const key = this.#keyOf(ad);
    const network = key === undefined ? undefined : this.#networks.get(key);
    if (key === undefined || network === undefined) return;
    network.ads.delete(ad);
    if (network.ads.size === 0) this.#networks.delete(key);
  }

  hasRoom(applicant: Applicant): boolean {
    const network = this.#of(applicant);
    if (network === undefined) return true;
    const { ads } = network;
    const { cached } = applicant;
    const isIn = cached !== undefined && ads.has(cached);
    const wanted = ads.size - (isIn ? 1 : 0) + (claimBefore(network, applicant) === undefined ? 0 : 1);
    if (wanted < this.#limit) return true;
    // What is claimed is the place of the first.
    return isIn && firstOf(ads) !== cached;
  }

  /** When there may be room for one for which there is none. */
  turnAt(applicant: Applicant): number {
    const network = this.#of(applicant);
    if (network === undefined || this.hasRoom(applicant)) return applicant.now;
    let turnAt = claimBefore(network, applicant)?.until ?? Number.POSITIVE_INFINITY;
    for (const ad of network.ads) {
      if (ad === applicant.cached) continue;
      turnAt = Math.min(turnAt, ad.expiresAt);
      break;
    }
    return turnAt;
  }

  /** The applicant has a claim that has not been overtaken. */
  hasClaim(applicant: Applicant): boolean {
    return this.#of(applicant)?.claim?.key === adKey(applicant.ad);
  }

  /** Until then no place is given to one that has not waited as long, unless somebody else has waited longer. */
  claim(applicant: Applicant, until: number): void {
    const network = this.#of(applicant);
    if (network === undefined || claimBefore(network, applicant) !== undefined) return;
    const { ad, startedAt } = applicant;
    network.claim = { key: adKey(ad), startedAt, until };
  }

  #of({ ad }: Applicant): Occupied | undefined {
    const key = this.#keyOf(ad);
    return key === undefined ? undefined : this.#networks.get(key);
  }
}

/** The claim of another who has waited longer, and may still come. */
function claimBefore({ claim }: Occupied, { ad, startedAt, now }: Applicant): Claim | undefined {
  if (claim === undefined || claim.until < now || claim.key === adKey(ad)) return undefined;
  return claim.startedAt <= startedAt ? claim : undefined;
}

function firstOf(ads: ReadonlySet<Ad>): Ad | undefined {
  for (const ad of ads) return ad;
  return undefined;
}
