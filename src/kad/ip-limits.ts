/**
 * How many nodes of one network a table takes. Keys cost an attacker nothing, addresses do: without limits one
 * machine with many keys would be the whole neighbourhood of a node.
 */
import { toBareHex } from '../base/bytes.ts';
import { Counts } from '../base/counts.ts';
import { parseIpv4, parseIpv6 } from '../base/ip.ts';
import { isLocal } from '../base/ip-class.ts';
import { wideNetworkOf } from './address.ts';

/** Nodes of one /24 (IPv6: /48) in a bucket, replacements included. */
export const BUCKET_NETWORK_LIMIT = 2;
/** Nodes of one /24 (IPv6: /32) in a table, replacements included. */
export const TABLE_NETWORK_LIMIT = 10;

/** The networks that an address counts for: the text of three numbers, or of IPv6 hexadecimal prefixes of two lengths. */
export interface Networks {
  readonly ofBucket: string;
  readonly ofTable: string;
}

/**
 * `undefined` for addresses without a limit: loopback and LAN.
 * @param ip canonical text, as in `KadNode`
 */
export function networksOf(ip: string): Networks | undefined {
  const address = parseIpv4(ip) ?? parseIpv6(ip);
  if (address === undefined || isLocal(address)) return undefined;
  const wide = wideNetworkOf(address);
  if (wide === undefined) {
    const network = ip.slice(0, ip.lastIndexOf('.'));
    return { ofBucket: network, ofTable: network };
  }
  return { ofBucket: toBareHex(address.subarray(0, 6)), ofTable: wide };
}

/**
 * What a node at an address counts for, and if it says so itself from another one, for the networks of that one, too.
 * @param from canonical text
 */
export function countedFor(ip: string, from?: string): readonly Networks[] {
  const [there, here] = [networksOf(ip), from === undefined ? undefined : networksOf(from)];
  return [there, here].filter((networks) => networks !== undefined);
}

/** Counts nodes by network. */
export class NetworkCounts extends Counts<string> {
  readonly limit: number;

  constructor(limit: number) {
    super();
    this.limit = limit;
  }

  hasRoom(network: string): boolean {
    return this.of(network) < this.limit;
  }
}
