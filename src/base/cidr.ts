/** Blocks of addresses in the notation `ADDRESS/BITS` (RFC 4632, section 3.1; RFC 4291, section 2.3). */
import { invalidArgument as invalid } from './checks.ts';
import { formatIp, normalizeIp, parseIpv4, parseIpv6, unmapIpv4 } from './ip.ts';

export interface Cidr {
  /** The first address of the block: 4 or 16 bytes, zero behind the prefix. */
  readonly network: Uint8Array;
  /** The length of the prefix: 0 to 32, or to 128. */
  readonly bits: number;
}

/** The bits by which an IPv4 address that is mapped into IPv6 is longer. */
const MAPPED_BITS = 96;

/**
 * Reads `10.0.0.0/8` or `2001:db8::/32`. A block of mapped addresses, `::ffff:10.0.0.0/104`, is the IPv4 block.
 * @throws PeerlaneError `invalid-argument`, also when the address has bits behind the prefix: it then is not
 * clear whether the address was meant or the block around it
 */
export function parseCidr(text: string): Cidr {
  const parts = typeof text === 'string' ? /^([^/]{1,45})\/(0|[1-9]\d{0,2})$/.exec(text) : null;
  const address = parts?.[1] === undefined ? undefined : (parseIpv4(parts[1]) ?? parseIpv6(parts[1]));
  if (address === undefined) throw invalid('expected a block of addresses such as 10.0.0.0/8 or fc00::/7');
  const bits = Number(parts?.[2]);
  if (bits > address.length * 8)
    throw invalid(`a prefix has at most ${address.length * 8} bits, not ${bits}`);
  const mapped = bits < MAPPED_BITS ? undefined : unmapIpv4(address);
  const block =
    mapped === undefined ? { network: address, bits } : { network: mapped, bits: bits - MAPPED_BITS };
  const first = masked(block.network, block.bits);
  if (first.some((byte, i) => byte !== block.network[i])) {
    const meant = formatCidr({ network: first, bits: block.bits });
    throw invalid(`the address has bits behind the prefix; the block around it is ${meant}`);
  }
  return block;
}

export function formatCidr({ network, bits }: Cidr): string {
  return `${formatIp(network)}/${bits}`;
}

/**
 * Whether the block holds the address, which may be mapped into IPv6. No IPv6 block holds an IPv4 address.
 * @param address 4 or 16 bytes
 * @throws PeerlaneError `invalid-argument` for an address of another length
 */
export function inCidr(address: Uint8Array, { network, bits }: Cidr): boolean {
  const normal = normalizeIp(address);
  if (normal.length !== network.length) return false;
  const whole = bits >> 3;
  for (let i = 0; i < whole; i++) if (normal[i] !== network[i]) return false;
  const rest = bits & 7;
  return rest === 0 || (((normal[whole] ?? 0) ^ (network[whole] ?? 0)) & maskOf(rest)) === 0;
}

/** The byte whose first `bits` bits, 0 to 8, are set. */
function maskOf(bits: number): number {
  return (0xff << (8 - bits)) & 0xff;
}

function masked(address: Uint8Array, bits: number): Uint8Array {
  return address.map((byte, i) => byte & maskOf(Math.max(0, Math.min(8, bits - 8 * i))));
}
