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

/** A whole number, zero included, below 10^9. */
export function count(text: string): number {
  const value = /^\d{1,9}$/.test(text) ? Number(text) : -1;
  if (value < 0) throw new InvalidArgumentError('expected a whole number of at most nine digits');
  return value;
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

export const METRICS_HELP =
  'serve metrics for Prometheus at http://HOST:PORT/metrics; port 0 is any free one';

/** What `--listen` of a node says. */
export const LISTEN_HELP =
  'where to listen; port 0 is any free one; twice: an address of IPv4 and one of IPv6';

export const EXTIP_HELP =
  'address where others reach the node, for its record; twice: one of IPv4 and one of IPv6; default: the one that it listens on, or what others tell';

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

/** As `readWith`, for a text that is only checked: it stays what it is. */
export function checkedWith(read: (text: string) => unknown): (text: string) => string {
  return (text) => {
    readWith(read, text);
    return text;
  };
}

/** For an option that may be given several times: the values so far and one more. */
export function collected<T>(
  read: (text: string) => T,
): (text: string, before: readonly T[] | undefined) => T[] {
  return (text, before = []) => [...before, read(text)];
}
