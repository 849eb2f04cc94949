/**
 * The network of an address, as one number, since a database keeps it of each node. As in the limits of the table a
 * network is a /24 or an IPv6 /48; networks lie in blocks, a /16 or an IPv6 /32, which is about what one owner gets.
 */
import { parseIp } from '../../base/ip.ts';
import { isLocal } from '../../base/ip-class.ts';

/** This machine and its LAN, all of it. */
export const LOCAL_NETWORK = -1;
/** Nodes of which no address is known. */
export const NO_NETWORK = -2;

/** Keeps the numbers of IPv6 networks apart from those of IPv4, and both exact. */
const IPV6 = 2 ** 48;
const NETWORKS_OF_IPV4_BLOCK = 2 ** 8;
const NETWORKS_OF_IPV6_BLOCK = 2 ** 16;

/** @param host an IP address of either family; an IPv4 address that is mapped into IPv6 is that IPv4 address */
export function networkOf(host: string | undefined): number {
  const address = host === undefined ? undefined : parseIp(host);
  if (address === undefined) return NO_NETWORK;
  if (isLocal(address)) return LOCAL_NETWORK;
  return address.length === 4 ? bigEndian(address, 3) : IPV6 + bigEndian(address, 6);
}

/** The block of a network; what has no limits is a block of its own. */
export function blockOf(network: number): number {
  if (!hasLimits(network)) return network;
  return Math.floor(network / (network < IPV6 ? NETWORKS_OF_IPV4_BLOCK : NETWORKS_OF_IPV6_BLOCK));
}

/** Whether addresses of the network are few enough to be counted: not where everybody is at home, or nowhere. */
export function hasLimits(network: number): boolean {
  return network >= 0;
}

function bigEndian(address: Uint8Array, length: number): number {
  let value = 0;
  for (let i = 0; i < length; i++) value = value * 256 + (address[i] ?? 0);
  return value;
}
