/** Addresses between their bytes on the wire (4 or 16) and text, without a socket library. */
import { PeerlaneError } from './errors.ts';

const DOT = 0x2e;
const DIGIT_0 = 0x30;

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
  // By hand, as above: `join` takes four times as long.
  return `${address[0] ?? 0}.${address[1] ?? 0}.${address[2] ?? 0}.${address[3] ?? 0}`;
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

/** The IPv4 address inside `::ffff:0:0/96`, as a view; `undefined` for any other address. */
export function unmapIpv4(address: Uint8Array): Uint8Array | undefined {
  if (address.length !== 16 || address[10] !== 0xff || address[11] !== 0xff) return undefined;
  for (let i = 0; i < 10; i++) if (address[i] !== 0) return undefined;
  return address.subarray(12);
}

/**
 * The one form of an address of either family: 4 bytes also for an IPv4 address that is mapped into IPv6, which is
 * how a socket of both families names it. A view, or the address itself.
 * @throws PeerlaneError `invalid-argument` for another length than 4 or 16
 */
export function normalizeIp(address: Uint8Array): Uint8Array {
  if (!(address instanceof Uint8Array) || (address.length !== 4 && address.length !== 16)) {
    throw new PeerlaneError('invalid-argument', 'an address is a Uint8Array of 4 or 16 bytes');
  }
  return unmapIpv4(address) ?? address;
}

/** The address of either family in the form of `normalizeIp`; `undefined` for a text that is none. */
export function parseIp(text: string): Uint8Array | undefined {
  const address = parseIpv4(text) ?? parseIpv6(text);
  return address && normalizeIp(address);
}

/** The text of an address of either family. @throws PeerlaneError `invalid-argument` as `normalizeIp` */
export function formatIp(address: Uint8Array): string {
  const normal = normalizeIp(address);
  return normal.length === 4 ? formatIpv4(normal) : formatIpv6(normal);
}

/** The text of an address without its zone, an interface of this machine (RFC 4007, section 11). */
export function withoutZone(ip: string): string {
  const at = ip.indexOf('%');
  return at < 0 ? ip : ip.slice(0, at);
}

/** A host as it stands before a port (RFC 3986, section 3.2.2): an IPv6 address in brackets. */
export function hostBeforePort(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}
