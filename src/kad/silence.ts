/** Addresses that others have named, and where nobody answers: somebody may be there who never asked for packets. */
import { isLocal } from '../base/ip-class.ts';
import { setLatest } from '../base/recent.ts';
import { addressBytes, endpointKey, siteOf, type UdpEndpoint } from './address.ts';

/** Packets without an answer after which an endpoint is left alone, ... */
export const MAX_UNANSWERED = 4;
/**
 * ... or every endpoint of an address, after so many to all of them: else a node of which others name every port would be asked at each.
 * It is more than of one endpoint, or whoever names others there would hide the one that is. In a LAN, where nobody out in the net
 * can name anybody, an address at which somebody has proved an endpoint may have any number of them, ...
 */
export const MAX_UNANSWERED_OF_ADDRESS = 64;
/** ... and for how long after the last. */
export const SILENCE_MS = 5 * 60 * 1000;
/** Addresses and endpoints that are remembered. */
export const MAX_SILENT = 8192;

/** What is known of addresses. */
export interface KnownAddresses {
  /** Whether somebody at that address has proved any endpoint of it. */
  knowsAddress(ip: string, now: number): boolean;
}

export class Silence {
  readonly #known: KnownAddresses;
  /** By address and by endpoint, the one that was asked last at the end. */
  readonly #silent = new Map<string, { readonly packets: number; readonly at: number }>();

  constructor(known: KnownAddresses) {
    this.#known = known;
  }

  get size(): number {
    return this.#silent.size;
  }

  /** Whether the endpoint itself has left as many packets unanswered as it gets. */
  isSilent(endpoint: UdpEndpoint, now: number): boolean {
    return this.#packets(endpointKey(endpoint), now) >= MAX_UNANSWERED;
  }

  /** Whether a packet to a node that others have named would be one too many. */
  isKept(endpoint: UdpEndpoint, now: number): boolean {
    if (this.isSilent(endpoint, now)) return true;
    const { key, isKnown } = this.#address(endpoint, now);
    const isFull = this.#packets(key, now) >= MAX_UNANSWERED_OF_ADDRESS;
    return isFull && !(isKnown && isLocal(addressBytes(endpoint.ip)));
  }

  /** So many packets have had no answer. @param isOwn the endpoint has been proved: it says nothing of others at the address */
  add(endpoint: UdpEndpoint, packets: number, now: number, isOwn = false): void {
    const own = endpointKey(endpoint);
    // On this machine both are the same.
    for (const key of new Set(isOwn ? [own] : [own, this.#address(endpoint, now).key]))
      setLatest(this.#silent, key, { packets: this.#packets(key, now) + packets, at: now }, MAX_SILENT);
  }

  /** Somebody has answered there. It says little of other endpoints: what others may have named stays counted for the address. */
  break(endpoint: UdpEndpoint): void {
    if (this.#silent.size === 0) return;
    const { ip } = endpoint;
    const key = endpointKey(endpoint);
    const own = this.#silent.get(key)?.packets ?? 0;
    this.#silent.delete(key);
    for (const place of new Set([ip, siteOf(endpoint)])) {
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
