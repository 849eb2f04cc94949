/** Addresses that others have named, and where nobody answers: somebody may be there who never asked for packets. */
import { isLocal } from '../base/ip-class.ts';
import { setLatest } from '../base/recent.ts';
import { addressBytes, endpointKey, siteOf, type UdpEndpoint } from './address.ts';

/** Packets without an answer after which whoever was asked is left alone, ... */
export const MAX_UNANSWERED = 4;
/**
 * ... or everybody at an address, after so many to all of them: else a node of which others name every port would be asked at each. It
 * is more than of one, or whoever names others there would hide the one that is: v5 has no answer to a packet for another id. In a
 * LAN, where nobody out in the net can name anybody, an address at which somebody has proved an endpoint may have any number of
 * endpoints with as many each, ...
 */
export const MAX_UNANSWERED_OF_ADDRESS = 64;
/** ... and for how long after the last. */
export const SILENCE_MS = 5 * 60 * 1000;
/** Addresses, endpoints, and those who were asked there, that are remembered. */
export const MAX_SILENT = 8192;

/** Who is asked, and where. */
export interface Asked {
  /** The endpoint's, or of the node at it where nobody else there could answer. */
  readonly key: string;
  readonly endpoint: UdpEndpoint;
}

/** What is known of addresses. */
export interface KnownAddresses {
  /** Whether somebody at that address has proved any endpoint of it. */
  knowsAddress(ip: string, now: number): boolean;
}

export class Silence {
  readonly #known: KnownAddresses;
  /** By address, by endpoint and by who was asked, the one that was asked last at the end. */
  readonly #silent = new Map<string, { readonly packets: number; readonly at: number }>();

  constructor(known: KnownAddresses) {
    this.#known = known;
  }

  get size(): number {
    return this.#silent.size;
  }

  /** Whether who is asked has left as many packets unanswered itself as it gets. */
  isSilent({ key }: Asked, now: number): boolean {
    return this.#packets(key, now) >= MAX_UNANSWERED;
  }

  /** Whether a packet to a node that others have named would be one too many. */
  isKept(asked: Asked, now: number): boolean {
    if (this.isSilent(asked, now)) return true;
    const { endpoint } = asked;
    const { key, isKnown } = this.#address(endpoint, now);
    const isOfEach = isKnown && isLocal(addressBytes(endpoint.ip));
    return this.#packets(isOfEach ? endpointKey(endpoint) : key, now) >= MAX_UNANSWERED_OF_ADDRESS;
  }

  /** So many packets have had no answer. @param isOwn who was asked has proved the endpoint: it says nothing of others at the address */
  add({ key, endpoint }: Asked, packets: number, now: number, isOwn = false): void {
    const shared = isOwn ? [] : [endpointKey(endpoint), this.#address(endpoint, now).key];
    // Some of them are the same.
    for (const one of new Set([key, ...shared]))
      setLatest(this.#silent, one, { packets: this.#packets(one, now) + packets, at: now }, MAX_SILENT);
  }

  /** It has answered. That says little of others there: what somebody may have named stays counted for the address. */
  break({ key, endpoint }: Asked): void {
    if (this.#silent.size === 0) return;
    const own = this.#silent.get(key)?.packets ?? 0;
    this.#silent.delete(key);
    for (const place of new Set([endpointKey(endpoint), endpoint.ip, siteOf(endpoint)])) {
      const ofAll = this.#silent.get(place);
      if (ofAll === undefined) continue;
      const left = ofAll.packets - own;
      if (left <= 0) this.#silent.delete(place);
      else this.#silent.set(place, { ...ofAll, packets: left });
    }
  }

  /** Of IPv6 the whole /64, unless the address is a known one: its misses say nothing of other nodes of that network. */
  #address(endpoint: UdpEndpoint, now: number): { readonly key: string; readonly isKnown: boolean } {
    const { ip } = endpoint;
    const isKnown = this.#known.knowsAddress(ip, now);
    return { key: isKnown ? ip : siteOf(endpoint), isKnown };
  }

  #packets(key: string, now: number): number {
    const silent = this.#silent.get(key);
    return silent !== undefined && now - silent.at < SILENCE_MS ? silent.packets : 0;
  }
}
