/** Values of options, read from their text; commander turns `InvalidArgumentError` into a usage error. */
import { InvalidArgumentError } from 'commander';
import { fromHex } from '../base/bytes.ts';
import { type Cidr, parseCidr } from '../base/cidr.ts';
import { isPeerlaneError } from '../base/errors.ts';
import { parseIp } from '../base/ip.ts';
import { DnsResolver } from '../io/dns.ts';
import { hostIpOf } from '../server/listen-host.ts';
import type { Target } from '../sync/index.ts';

export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

/** `HOST:PORT`, an IPv6 address in brackets; `:PORT` is every address. */
export function listenAddress(text: string): ListenAddress {
  const parts = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]*)):(\d{1,5})$/.exec(text);
  if (parts === null) throw new InvalidArgumentError('expected HOST:PORT, with an IPv6 address in brackets');
  return { host: parts[1] ?? (parts[2] === '' ? '::' : (parts[2] ?? '::')), port: port(parts[3] ?? '') };
}

export function port(text: string): number {
  const value = /^\d{1,5}$/.test(text) ? Number(text) : 65_536;
  if (value > 65_535) throw new InvalidArgumentError('expected a port from 0 to 65535');
  return value;
}

/** A block by its number, or by its hash. */
export function block(text: string): Exclude<Target, { kind: 'best' }> {
  if (/^0x[0-9a-f]{64}$/i.test(text)) return { kind: 'hash', hash: fromHex(text) };
  const number = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isSafeInteger(number)) return { kind: 'number', number };
  throw new InvalidArgumentError('expected a block number, or a hash: 0x and 64 hexadecimal digits');
}

export function seconds(text: string): number {
  const value = /^\d{1,6}(\.\d{1,3})?$/.test(text) ? Number(text) : 0;
  if (value <= 0) {
    throw new InvalidArgumentError('expected a number of seconds above zero and below 1,000,000');
  }
  return value;
}

/** A whole number, zero included, below 10^9. */
export function count(text: string): number {
  const value = /^\d{1,9}$/.test(text) ? Number(text) : -1;
  if (value < 0) throw new InvalidArgumentError('expected a whole number of at most nine digits');
  return value;
}

const UNITS_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** Milliseconds of `24h`, `1h30m`, `2.5d` and the like. */
export function duration(text: string): number {
  const parts = [...text.matchAll(/(\d{1,9}(?:\.\d{1,6})?)(ms|[smhd])/g)];
  if (parts.length === 0 || parts.map(([part]) => part).join('') !== text) {
    throw new InvalidArgumentError('expected a duration such as 90s, 1h30m or 2d');
  }
  return parts.reduce((sum, [, value, unit = '']) => sum + Number(value) * (UNITS_MS[unit] ?? 0), 0);
}

/** A whole number of milliseconds as `duration` reads it, in the largest unit that it is a whole number of. */
export function durationText(ms: number): string {
  const units = Object.entries(UNITS_MS).toReversed();
  const [unit, size] = units.find(([, size]) => ms % size === 0) ?? ['ms', 1];
  return `${ms / size}${unit}`;
}

/** An IP address with or without the length of a prefix. */
export function cidr(text: string): Cidr {
  const address = parseIp(text);
  if (address !== undefined) return { network: address, bits: 8 * address.length };
  try {
    return parseCidr(text);
  } catch (error) {
    throw new InvalidArgumentError(isPeerlaneError(error) ? error.message : 'expected a network');
  }
}

/** The address of a DNS server, with or without a port. */
export function dnsServer(text: string): string {
  try {
    // It has its own way of reading addresses.
    new DnsResolver({ servers: [text] });
    return text;
  } catch (error) {
    if (!isPeerlaneError(error)) throw error;
  }
  throw new InvalidArgumentError('expected an IP address, or ADDRESS:PORT with an IPv6 address in brackets');
}

export const EXTIP_HELP =
  'address where others reach the node, for its record; default: the one that it listens on, or what others tell';

/** An address that one host can have, in its canonical text. */
export function hostIp(text: string): string {
  const address = hostIpOf(text);
  if (address === undefined) throw new InvalidArgumentError('expected the IP address of a host');
  return address;
}

/** What `read` makes of a text; an error that it throws says what is wrong with the option. */
export function readWith<T>(read: (text: string) => T, text: string): T {
  try {
    return read(text);
  } catch (error) {
    if (isPeerlaneError(error)) throw new InvalidArgumentError(error.message);
    throw error;
  }
}

/** For an option that may be given several times: the values so far and one more. */
export function collected<T>(
  read: (text: string) => T,
): (text: string, before: readonly T[] | undefined) => T[] {
  return (text, before = []) => [...before, read(text)];
}
