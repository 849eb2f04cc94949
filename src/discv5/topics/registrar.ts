import { equalBytes, toBareHex } from '../../base/bytes.ts';
import { checkLength } from '../../base/checks.ts';
import type { Env } from '../../base/env.ts';
import { formatIp, parseIp } from '../../base/ip.ts';
import { endpointsOfRecord, type NodeRecord } from '../../enr/index.ts';
import { ID_LENGTH, type KadNode, LOWEST_RELAYED_PORT, networksOf, nodeOfRecord } from '../../kad/index.ts';
import { type Ad, AdCache } from './ad-cache.ts';
import { type Applicant, NetworkPlaces } from './network-places.ts';
import {
  EARLIEST_RENEWAL,
  HOST_ADS_SHARE,
  MAX_TICKETS,
  MAX_WAITED_E,
  NETWORK_ADS_PER_TOPIC,
  type TopicParameters,
  topicParameters,
  WIDE_NETWORK_ADS_PER_TOPIC,
} from './parameters.ts';
import { isWindowOpen, SECRET_LENGTH, Tickets } from './tickets.ts';
import { WaitingTimes } from './waiting-time.ts';

export interface RegistrarOptions {
  /** Our node id, 32 bytes. */
  readonly localId: Uint8Array;
  readonly randomBytes: Env['randomBytes'];
  readonly parameters?: Partial<TopicParameters> | undefined;
}

/** A REGTOPIC request. */
export interface RegistrationRequest {
  /** 32 bytes. */
  readonly topic: Uint8Array;
  readonly record: NodeRecord;
  /** Empty in the first request. */
  readonly ticket: Uint8Array;
  /** Who asks, as its session proves: the node id and the address that the packet came from. */
  readonly sender: { readonly id: Uint8Array; readonly ip: string };
  readonly now: number;
}

/**
 * What becomes of a request. The wire protocol has no words for `refused`: whoever is told to wait without an end is.
 */
export type RegistrationOutcome =
  | { readonly kind: 'admitted'; readonly lifetimeMs: number }
  | { readonly kind: 'wait'; readonly ticket: Uint8Array; readonly waitMs: number }
  /** The record is not the sender's, or does not say that it is where it is. */
  | { readonly kind: 'refused'; readonly reason: 'other-node' | 'other-address' };

/**
 * A registrar (discv5-theory.md, "Registrar Behaviour"). It keeps advertisements that were let in, and nothing of
 * attempts: those are in the tickets. Times are those of `Env.now`.
 */
export class Registrar {
  readonly #parameters: TopicParameters;
  readonly #randomBytes: Env['randomBytes'];
  readonly #tickets: Tickets;
  readonly #cache: AdCache;
  readonly #waiting: WaitingTimes;
  /** By topic and network, of either size, and of all topics by host. */
  readonly #places: readonly NetworkPlaces[];

  /** @throws PeerlaneError `invalid-argument` */
  constructor({ localId, randomBytes, parameters }: RegistrarOptions) {
    checkLength('the local id', localId, ID_LENGTH);
    this.#parameters = topicParameters(parameters);
    this.#randomBytes = randomBytes;
    this.#tickets = new Tickets({ secret: randomBytes(SECRET_LENGTH), registrar: localId });
    this.#cache = new AdCache(this.#parameters.c);
    this.#waiting = new WaitingTimes(this.#parameters);
    const ofHost = Math.max(NETWORK_ADS_PER_TOPIC, Math.floor(this.#parameters.c * HOST_ADS_SHARE));
    this.#places = [
      new NetworkPlaces(NETWORK_ADS_PER_TOPIC, ({ topic, networks }) => keyOf(topic, networks?.ofBucket)),
      new NetworkPlaces(WIDE_NETWORK_ADS_PER_TOPIC, ({ topic, networks }) => keyOf(topic, networks?.ofTable)),
      new NetworkPlaces(ofHost, hostOf),
    ];
  }

  /** @throws PeerlaneError `invalid-argument` for a topic or a sender's id that has not 32 bytes */
  register({ topic, record, ticket, sender, now }: RegistrationRequest): RegistrationOutcome {
    checkLength('the topic', topic, ID_LENGTH);
    checkLength("the sender's id", sender.id, ID_LENGTH);
    this.expire(now);
    if (!equalBytes(record.nodeId, sender.id)) return { kind: 'refused', reason: 'other-node' };
    const address = ownAddress(record, sender.ip);
    if (address === undefined) return { kind: 'refused', reason: 'other-address' };
    const { e, delta } = this.#parameters;
    const ip = formatIp(address);
    const ad: Ad = {
      topic: toBareHex(topic),
      advertiser: toBareHex(sender.id),
      record,
      ...{ address, ip },
      networks: networksOf(ip),
      expiresAt: now + e,
    };
    const cached = this.#cache.get(ad.topic, ad.advertiser);
    if (cached !== undefined && equalBytes(cached.record.encoded, record.encoded)) {
      const lifetimeMs = Math.floor(cached.expiresAt - now);
      if (lifetimeMs > e * (1 - EARLIEST_RENEWAL)) return { kind: 'admitted', lifetimeMs };
    }
    const subject = { topic, record, advertiser: sender.id };
    const times = this.#tickets.read(subject, ticket);
    const isGood =
      times !== undefined && isWindowOpen(times, now, delta) && now - times.startedAt <= MAX_WAITED_E * e;
    const startedAt = isGood ? times.startedAt : now;
    const waited = now - startedAt;
    const applicant: Applicant = { ad, cached, startedAt, now };
    const hasRoom = this.#places.every((places) => places.hasRoom(applicant));
    if (hasRoom && this.#waiting.current(ad, cached) <= waited) {
      this.#admit(ad, cached);
      return { kind: 'admitted', lifetimeMs: e };
    }
    const left = this.#waiting.bounded(ad, cached, now) - waited;
    const turn = hasRoom ? 0 : this.#turnMs(applicant);
    const waitMs = Math.max(1, Math.min(Math.ceil(Math.max(left, turn)), e));
    for (const places of this.#places) {
      const isNext = !places.hasRoom(applicant) && left <= turn;
      if (isNext || places.hasClaim(applicant)) places.claim(applicant, now + waitMs + delta);
    }
    return {
      kind: 'wait',
      ticket: this.#tickets.issue(subject, { startedAt, issuedAt: now, waitMs }),
      waitMs,
    };
  }

  /**
   * Records that are advertised for a topic, at most `fReturn`, chosen by chance.
   * @param isWanted of the address from which an advertiser has registered. Default: any
   * @throws PeerlaneError `invalid-argument` for a topic that has not 32 bytes
   */
  query(topic: Uint8Array, now: number, isWanted?: (ip: string) => boolean): NodeRecord[] {
    return this.#sample(topic, now, isWanted).map(({ record }) => record);
  }

  /** As `query`, for our own searches: the nodes, at those addresses. */
  advertisers(topic: Uint8Array, now: number, isWanted?: (ip: string) => boolean): KadNode[] {
    return this.#sample(topic, now, isWanted).flatMap(
      (ad) =>
        nodeOfRecord(ad.record, ({ ip, udpPort }) => ip === ad.ip && udpPort >= LOWEST_RELAYED_PORT) ?? [],
    );
  }

  #sample(topic: Uint8Array, now: number, isWanted: (ip: string) => boolean = () => true): Ad[] {
    checkLength('the topic', topic, ID_LENGTH);
    this.expire(now);
    const { fReturn } = this.#parameters;
    return this.#cache.sample(toBareHex(topic), fReturn, this.#randomBytes, ({ ip }) => isWanted(ip));
  }

  /** Forgets what is over. Each request does so, too. */
  expire(now: number): void {
    for (const ad of this.#cache.expire(now)) {
      this.#waiting.remove(ad);
      for (const places of this.#places) places.remove(ad);
    }
  }

  /** Numbers of what is kept; those that have expired count until `expire`. */
  get stats(): { readonly ads: number; readonly topics: number } {
    return { ads: this.#cache.size, topics: this.#cache.topics };
  }

  /** Until there may be room; no sooner than that an advertiser has tickets left for as long as it may wait. */
  #turnMs(applicant: Applicant): number {
    const turns = this.#places.map((places) => places.turnAt(applicant) - applicant.now);
    const { e } = this.#parameters;
    return Math.min(e, Math.max(...turns, (e * MAX_WAITED_E) / MAX_TICKETS));
  }

  #admit(ad: Ad, cached: Ad | undefined): void {
    if (cached !== undefined) {
      this.#cache.remove(cached);
      this.#waiting.remove(cached);
    }
    this.#cache.add(ad);
    this.#waiting.add(ad);
    for (const places of this.#places) places.add(ad, cached);
  }
}

function keyOf(topic: string, network: string | undefined): string | undefined {
  return network === undefined ? undefined : `${topic} ${network}`;
}

/** An IPv4 address, or the /48 of an IPv6 one; `undefined` in a LAN. */
function hostOf({ ip, address, networks }: Ad): string | undefined {
  return address.length === 4 ? networks && ip : networks?.ofBucket;
}

/**
 * The address that counts: the sender's, if the record names it with a port. Any other in the record may be anybody's:
 * with it an advertiser would send others there, or dodge the score of its own network or raise that of another.
 */
function ownAddress(record: NodeRecord, ip: string): Uint8Array | undefined {
  const address = parseIp(ip);
  if (address === undefined) return undefined;
  const host = formatIp(address);
  const isNamed = endpointsOfRecord(record).some((place) => place.host === host && place.udpPort > 0);
  return isNamed ? address : undefined;
}
