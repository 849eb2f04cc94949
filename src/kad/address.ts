/** Addresses as packets carry them, and which of them are believed when somebody else names them. */
import { EMPTY, toBareHex } from '../base/bytes.ts';
import { formatIp, parseIp } from '../base/ip.ts';
import { classOfIp, isHostClass, isLanClass } from '../base/ip-class.ts';

/** Where packets come from and go to. */
export interface UdpEndpoint {
  /** Dotted quad or RFC 5952; never an IPv4 address mapped into IPv6. */
  readonly ip: string;
  readonly port: number;
}

/** A relayed UDP port below this is not believed: it may be that of another service. */
export const LOWEST_RELAYED_PORT = 1024;

/** The text of 4 or 16 bytes, of IPv4 where it is mapped into IPv6; `undefined` for any other length. */
export function addressText(bytes: Uint8Array): string | undefined {
  return bytes.length === 4 || bytes.length === 16 ? formatIp(bytes) : undefined;
}

/** The bytes of an address in either form; none for what is no address. */
export function addressBytes(ip: string): Uint8Array {
  return parseIp(ip) ?? EMPTY;
}

/** As sockets name them to the form of `UdpEndpoint`. */
export function normalIp(ip: string): string {
  return ip.startsWith('::') ? (addressText(addressBytes(ip)) ?? ip) : ip;
}

/** What an endpoint is known by. */
export function endpointKey({ ip, port }: UdpEndpoint): string {
  return `${ip} ${port}`;
}

/**
 * Whether the address is this machine's own: a network for tests may be there as a whole, and it is no victim's. What a
 * translator would make of it (64:ff9b::/96) is not: that packets can come from.
 */
const isOwnMachine = (ip: string): boolean => ip.startsWith('127.') || ip === '::1';

/** Who is at an endpoint: its address, of IPv6 the /64 that one line gets; on this machine nobody but the endpoint. */
export function siteOf(endpoint: UdpEndpoint): string {
  const { ip } = endpoint;
  if (isOwnMachine(ip)) return endpointKey(endpoint);
  return ip.includes(':') ? String(addressBytes(ip).subarray(0, 8)) : ip;
}

/** Who shares the limits of an address: likewise, but of IPv6 the /48, where addresses cost nothing. */
export function placeOf(endpoint: UdpEndpoint): string {
  const { ip } = endpoint;
  if (isOwnMachine(ip)) return endpointKey(endpoint);
  return ip.includes(':') ? subnetOf(ip) : ip;
}

/** The network that shares limits: a /24, of IPv6 a /48. */
export function subnetOf(ip: string): string {
  const dot = ip.lastIndexOf('.');
  if (dot > 0 && !ip.includes(':')) return ip.slice(0, dot);
  return String(addressBytes(ip).subarray(0, 6));
}

/** Of IPv6 the /32 that one provider has, who gives a customer any number of /48; `undefined` for IPv4. @param address its bytes */
export function wideNetworkOf(address: Uint8Array): string | undefined {
  return address.length === 16 ? toBareHex(address.subarray(0, 4)) : undefined;
}

/**
 * Whether a node at `sender` may name a node at `ip`: one that is reached from everywhere always, addresses of a LAN only
 * within one, loopback ones only on the machine itself, those set aside for something else not from out in the net, and
 * none that is no single host's.
 */
export function mayRelay(sender: string, ip: string): boolean {
  const address = addressBytes(ip);
  if (address.length === 0) return false;
  const named = classOfIp(address);
  if (named === 'global') return true;
  const origin = addressBytes(sender);
  if (!isHostClass(named) || origin.length === 0) return false;
  const from = classOfIp(origin);
  if (from === 'loopback') return true;
  // Providers and labs run networks on special addresses, whose nodes may tell each other of them.
  if (named === 'special') return from !== 'global';
  return isLanClass(from) && isLanClass(named);
}

/** Whether a node at `sender` may say that one is reached by UDP there. */
export function mayName(
  sender: string,
  { ip, udpPort }: { readonly ip: string; readonly udpPort: number },
): boolean {
  return udpPort >= LOWEST_RELAYED_PORT && mayRelay(sender, ip);
}
