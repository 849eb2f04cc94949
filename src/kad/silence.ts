/** Addresses that others have named, and where nobody answers: somebody may be there who never asked for packets. */
import { isLocal } from '../base/ip-class.ts';
import { setLatest } from '../base/recent.ts';
import { addressBytes, endpointKey, siteOf, type UdpEndpoint } from './address.ts';

/** Packets without an answer after which an address is left alone, ... */
export const MAX_UNANSWERED = 4;
/**
 * ... if somebody there has proved another endpoint, each of them after as many, and the others after so many to all of
 * them, but in a LAN: else a node of which others name every port would be asked at each, ...
 */
export const MAX_UNANSWERED_OF_KNOWN = 64;
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

  /** Whether a packet to a node that others have named would be one too many. */
  isKept(endpoint: UdpEndpoint, now: number): boolean {
    const { key, isKnown } = this.#address(endpoint, now);
    const ofAll = this.#packets(key, now);
    if (!isKnown) return ofAll >= MAX_UNANSWERED;
    if (this.#packets(endpointKey(endpoint), now) >= MAX_UNANSWERED) return true;
    return ofAll >= MAX_UNANSWERED_OF_KNOWN && !isLocal(addressBytes(endpoint.ip));
  }

  /** So many packets have had no answer. */
  add(endpoint: UdpEndpoint, packets: number, now: number): void {
    // On this machine both are the same.
    for (const key of new Set([this.#address(endpoint, now).key, endpointKey(endpoint)])) {
      setLatest(this.#silent, key, { packets: this.#packets(key, now) + packets, at: now }, MAX_SILENT);
    }
  }

  /** Somebody has answered there, after so many packets that were added meanwhile. */
  break(endpoint: UdpEndpoint, packets = 0): void {
    if (this.#silent.size === 0) return;
    const { ip } = endpoint;
    this.#silent.delete(endpointKey(endpoint));
    const site = siteOf(endpoint);
    if (site !== ip) this.#silent.delete(site);
    // It says little of other endpoints: the many that somebody else may have named stay counted.
    const ofAll = this.#silent.get(ip);
    if (ofAll === undefined) return;
    const left = ofAll.packets - packets;
    if (left <= MAX_UNANSWERED) this.#silent.delete(ip);
    else this.#silent.set(ip, { ...ofAll, packets: left });
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
