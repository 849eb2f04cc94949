import { formatIpv4, formatIpv6, parseIpv4, parseIpv6, unmapIpv4 } from './ip.ts';

/** A network of IP addresses. */
export interface Cidr {
  /** 4 or 16 bytes. */
  readonly address: Uint8Array;
  /** Leading bits that all its addresses share. */
  readonly bits: number;
}

/**
 * Reads `10.0.0.0/8`, `2001:db8::/32`, or an address, which is a network of one; bits behind the prefix do not matter.
 * `undefined` for any other text.
 */
export function parseCidr(text: string): Cidr | undefined {
  const [, host = '', length] = /^([^/]+)(?:\/(\d{1,3}))?$/.exec(text) ?? [];
  const address = parseAddress(host);
  if (address === undefined) return undefined;
  const bits = length === undefined ? 8 * address.length : Number(length);
  return bits <= 8 * address.length ? { address, bits } : undefined;
}

/** @param ip text of an address; one of the other family is in no network, a mapped one counts as IPv4 */
export function cidrContains({ address, bits }: Cidr, ip: string): boolean {
  const other = parseAddress(ip);
  if (other === undefined || other.length !== address.length) return false;
  for (let i = 0; i < address.length; i++) {
    const shared = Math.min(8, Math.max(0, bits - 8 * i));
    const mask = (0xff00 >> shared) & 0xff;
    if ((((address[i] ?? 0) ^ (other[i] ?? 0)) & mask) !== 0) return false;
  }
  return true;
}

export function formatCidr({ address, bits }: Cidr): string {
  return `${address.length === 4 ? formatIpv4(address) : formatIpv6(address)}/${bits}`;
}

function parseAddress(text: string): Uint8Array | undefined {
  const v4 = parseIpv4(text);
  if (v4 !== undefined) return v4;
  const v6 = parseIpv6(text);
  return v6 === undefined ? undefined : (unmapIpv4(v6) ?? v6);
}
