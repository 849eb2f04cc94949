/** Addresses as packets carry them, and which of them are believed when somebody else names them. */
import { EMPTY } from '../base/bytes.ts';
import { formatIpv4, formatIpv6, parseIpv4, parseIpv6, unmapIpv4 } from '../base/ip.ts';

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
  if (bytes.length === 4) return formatIpv4(bytes);
  if (bytes.length !== 16) return undefined;
  const mapped = unmapIpv4(bytes);
  return mapped === undefined ? formatIpv6(bytes) : formatIpv4(mapped);
}

/** The bytes of an address in either form; none for what is no address. */
export function addressBytes(ip: string): Uint8Array {
  const quad = parseIpv4(ip);
  if (quad !== undefined) return quad;
  const address = parseIpv6(ip);
  if (address === undefined) return EMPTY;
  return unmapIpv4(address) ?? address;
}

/** As sockets name them to the form of `UdpEndpoint`. */
export function normalIp(ip: string): string {
  return ip.startsWith('::') ? (addressText(addressBytes(ip)) ?? ip) : ip;
}

/** The network that shares limits: a /24, of IPv6 a /48. */
export function subnetOf(ip: string): string {
  const dot = ip.lastIndexOf('.');
  if (dot > 0 && !ip.includes(':')) return ip.slice(0, dot);
  return String(addressBytes(ip).subarray(0, 6));
}

export type Scope = 'public' | 'lan' | 'loopback' | 'special';

type Range = readonly [prefix: Uint8Array, bits: number, scope: Scope];

const range4 = (ip: string, bits: number, scope: Scope): Range => [parseIpv4(ip) ?? EMPTY, bits, scope];
const range6 = (ip: string, bits: number, scope: Scope): Range => [parseIpv6(ip) ?? EMPTY, bits, scope];

/** RFC 6890 and the registries it began: what is no single host's address is `special`. */
const IPV4_RANGES: readonly Range[] = [
  range4('0.0.0.0', 8, 'special'),
  range4('10.0.0.0', 8, 'lan'),
  range4('127.0.0.0', 8, 'loopback'),
  range4('169.254.0.0', 16, 'lan'),
  range4('172.16.0.0', 12, 'lan'),
  range4('192.0.0.0', 24, 'special'),
  range4('192.0.2.0', 24, 'special'),
  range4('192.168.0.0', 16, 'lan'),
  range4('198.18.0.0', 15, 'special'),
  range4('198.51.100.0', 24, 'special'),
  range4('203.0.113.0', 24, 'special'),
  // Multicast, and what is reserved behind it.
  range4('224.0.0.0', 3, 'special'),
];
const IPV6_RANGES: readonly Range[] = [
  range6('::1', 128, 'loopback'),
  // The unspecified address, and addresses that hold one of IPv4 in an old form.
  range6('::', 96, 'special'),
  range6('100::', 64, 'special'),
  range6('2001:db8::', 32, 'special'),
  range6('fc00::', 7, 'lan'),
  range6('fe80::', 10, 'lan'),
  range6('ff00::', 8, 'special'),
];

export function scopeOf(ip: string): Scope {
  const address = addressBytes(ip);
  if (address.length === 0) return 'special';
  const ranges = address.length === 4 ? IPV4_RANGES : IPV6_RANGES;
  return ranges.find(([prefix, bits]) => hasPrefix(address, prefix, bits))?.[2] ?? 'public';
}

function hasPrefix(address: Uint8Array, prefix: Uint8Array, bits: number): boolean {
  const whole = bits >> 3;
  for (let i = 0; i < whole; i++) if (address[i] !== prefix[i]) return false;
  const mask = 0xff & ~(0xff >> (bits & 7));
  return ((address[whole] ?? 0) & mask) === ((prefix[whole] ?? 0) & mask);
}

/**
 * Whether a node at `sender` may name a node at `ip`: addresses of a LAN only within one, loopback ones only on the
 * machine itself, and none that is no single host's.
 */
export function mayRelay(sender: string, ip: string): boolean {
  const scope = scopeOf(ip);
  if (scope === 'public') return true;
  if (scope === 'special') return false;
  const senderScope = scopeOf(sender);
  return senderScope === 'loopback' || (senderScope === 'lan' && scope === 'lan');
}
