/** Addresses between their bytes on the wire (4 or 16) and text, without a socket library. */

const DOT = 0x2e;
const DIGIT_0 = 0x30;
const MAPPED_PREFIX = '00000000000000000000ffff';

/** The 4 bytes of a dotted quad without leading zeros; `undefined` for any other text. */
export function parseIpv4(text: string): Uint8Array | undefined {
  // By hand: a table of nodes parses the address of each node that it is told of.
  const address = new Uint8Array(4);
  let [length, part, digits] = [0, 0, 0];
  for (let i = 0; i <= text.length; i++) {
    const code = i < text.length ? text.charCodeAt(i) : DOT;
    if (code === DOT) {
      if (digits === 0 || length === 4) return undefined;
      address[length++] = part;
      [part, digits] = [0, 0];
    } else {
      const digit = code - DIGIT_0;
      const isLeadingZero = digits > 0 && part === 0;
      part = 10 * part + digit;
      digits++;
      if (digit < 0 || digit > 9 || isLeadingZero || part > 255) return undefined;
    }
  }
  return length === 4 ? address : undefined;
}

/** @param address 4 bytes */
export function formatIpv4(address: Uint8Array): string {
  return address.join('.');
}

/**
 * The 16 bytes of an IPv6 address (RFC 4291, section 2.2: `::` once, the last 32 bits may be a dotted quad), no
 * brackets, no zone; `undefined` for any other text.
 */
export function parseIpv6(text: string): Uint8Array | undefined {
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const head = groupsOf(halves[0] ?? '', halves.length === 1);
  const tail = halves.length === 2 ? groupsOf(halves[1] ?? '', true) : [];
  if (head === undefined || tail === undefined) return undefined;
  const missing = 8 - head.length - tail.length;
  // A `::` stands for at least one group of zeros.
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined;
  const address = new Uint8Array(16);
  [...head, ...new Array<number>(missing).fill(0), ...tail].forEach((group, i) => {
    address[2 * i] = group >> 8;
    address[2 * i + 1] = group & 0xff;
  });
  return address;
}

function groupsOf(text: string, mayEndInQuad: boolean): number[] | undefined {
  if (text === '') return [];
  const groups: number[] = [];
  const parts = text.split(':');
  for (const [i, part] of parts.entries()) {
    const quad = mayEndInQuad && i === parts.length - 1 ? parseIpv4(part) : undefined;
    if (quad !== undefined) {
      const [a = 0, b = 0, c = 0, d = 0] = quad;
      groups.push((a << 8) | b, (c << 8) | d);
    } else if (/^[0-9a-fA-F]{1,4}$/.test(part)) {
      groups.push(Number.parseInt(part, 16));
    } else {
      return undefined;
    }
  }
  return groups;
}

/** The canonical text of RFC 5952. @param address 16 bytes */
export function formatIpv6(address: Uint8Array): string {
  const mapped = unmapIpv4(address);
  if (mapped !== undefined) return `::ffff:${formatIpv4(mapped)}`;
  const groups = Array.from(
    { length: 8 },
    (_, i) => ((address[2 * i] ?? 0) << 8) | (address[2 * i + 1] ?? 0),
  );
  const { start, length } = longestZeros(groups);
  const hex = (part: readonly number[]): string => part.map((group) => group.toString(16)).join(':');
  // RFC 5952, section 4.2.2: a single group of zeros is not shortened.
  if (length < 2) return hex(groups);
  return `${hex(groups.slice(0, start))}::${hex(groups.slice(start + length))}`;
}

function longestZeros(groups: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  let run = 0;
  for (const [i, group] of groups.entries()) {
    run = group === 0 ? run + 1 : 0;
    if (run > best.length) best = { start: i + 1 - run, length: run };
  }
  return best;
}

/** The IPv4 address inside `::ffff:0:0/96`, as a view; `undefined` for any other IPv6 address. */
export function unmapIpv4(address: Uint8Array): Uint8Array | undefined {
  const prefix = Array.from(address.subarray(0, 12), (byte) => byte.toString(16).padStart(2, '0')).join('');
  return prefix === MAPPED_PREFIX ? address.subarray(12) : undefined;
}

/**
 * What an address is good for. `lan`: private (RFC 1918, RFC 4193), link-local (RFC 3927, RFC 4291) or site-local
 * (RFC 3879). `reserved`: 240.0.0.0/4, the broadcast address among it.
 */
export type AddressScope = 'unspecified' | 'loopback' | 'lan' | 'multicast' | 'reserved' | 'global';

/** @param address 4 or 16 bytes; an IPv4 address inside an IPv6 address counts as itself */
export function addressScope(address: Uint8Array): AddressScope {
  if (address.length === 4) return scopeOfIpv4(address);
  const mapped = unmapIpv4(address);
  return mapped === undefined ? scopeOfIpv6(address) : scopeOfIpv4(mapped);
}

function scopeOfIpv4([a = 0, b = 0]: Uint8Array): AddressScope {
  if (a === 0) return 'unspecified';
  if (a === 127) return 'loopback';
  if (a === 10 || (a === 172 && b >> 4 === 1) || (a === 192 && b === 168) || (a === 169 && b === 254)) {
    return 'lan';
  }
  if (a >= 240) return 'reserved';
  return a >= 224 ? 'multicast' : 'global';
}

function scopeOfIpv6(address: Uint8Array): AddressScope {
  const [a = 0, b = 0] = address;
  if (a === 0 && address.subarray(0, 15).every((byte) => byte === 0)) {
    if (address[15] === 0) return 'unspecified';
    if (address[15] === 1) return 'loopback';
  }
  if (a === 0xff) return 'multicast';
  return (a & 0xfe) === 0xfc || (a === 0xfe && b >= 0x80) ? 'lan' : 'global';
}
