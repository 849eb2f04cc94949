/** Hosts that a node listens on: which there are, and to which addresses there is a way from them. */
import { invalidArgument } from '../base/checks.ts';
import { formatIp, parseIp, parseIpv6, unmapIpv4 } from '../base/ip.ts';
import { classOfIp, isHostAddress, isHostClass } from '../base/ip-class.ts';
import { broadcastAddresses } from '../io/interfaces.ts';

/** All addresses of this machine: of IPv4, and of both families. */
export const EVERY_IPV4 = '0.0.0.0';
export const EVERY_IP = '::';
/** To all hosts of the network. */
const BROADCAST = '255.255.255.255';
/** What the system reads as one of several old forms of an IPv4 address: `0`, `127.1`, `0x7f000001`. */
const OLD_ADDRESS = /(?:^|\.)(?:\d+|0x[\da-f]*)\.?$/i;

interface ListenAddress {
  /** In the form of `normalizeIp`. */
  readonly address: Uint8Array;
  /** Of IPv6, with its `%`, or empty: an interface of this machine (RFC 4007, section 11), and no part of the address. */
  readonly zone: string;
}

/** `undefined` for a host name, and for what is none. */
function listenAddressOf(host: string): ListenAddress | undefined {
  const at = host.indexOf('%');
  if (at < 0) {
    const address = parseIp(host);
    return address && { address, zone: '' };
  }
  const address = parseIpv6(host.slice(0, at));
  if (address === undefined || unmapIpv4(address) !== undefined || at + 1 === host.length) return undefined;
  return { address, zone: host.slice(at) };
}

/**
 * The one text of a host that can be listened on: of an address the canonical one, with its zone; a host name is its own.
 * An address of a group gets what is meant for others, and nobody reaches the node there.
 * @param name of the option, for errors
 * @throws PeerlaneError `invalid-argument`
 */
export function checkedListenHost(host: string, name = 'listen.host'): string {
  if (typeof host !== 'string' || host === '') throw invalidArgument(`${name} is not an address`);
  if (/[[\]]/.test(host)) {
    throw invalidArgument(`${name} has brackets, which only a URL has around an address: ${host}`);
  }
  const listening = listenAddressOf(host);
  if (listening === undefined) {
    if (!host.includes('%') && !OLD_ADDRESS.test(host)) return host;
    throw invalidArgument(`${name} is neither an address nor a host name: ${host}`);
  }
  const { address, zone } = listening;
  const text = formatIp(address);
  const fault = faultOf(address, text, zone);
  if (fault === undefined) return text + zone;
  throw invalidArgument(`cannot listen on ${host}: it is ${fault}`);
}

/** What an address is that no node listens on. */
function faultOf(address: Uint8Array, text: string, zone: string): string | undefined {
  if (text === EVERY_IPV4 || text === EVERY_IP) {
    return zone === '' ? undefined : 'all addresses, which are not those of an interface';
  }
  const name = classOfIp(address);
  if (name === 'multicast') return 'a multicast address, of many hosts';
  if (text === BROADCAST || (address.length === 4 && broadcastAddresses().includes(text))) {
    return 'a broadcast address, of many hosts';
  }
  return isHostClass(name) ? undefined : 'a reserved address, of no host';
}

/** Whether the host is an address, with a zone or without one. */
export function isIpHost(host: string): boolean {
  return listenAddressOf(host) !== undefined;
}

/** As others are told of a host: the canonical text of an address, without its zone; a host name is its own. */
export function toldHost(host: string): string {
  const listening = listenAddressOf(host);
  return listening === undefined ? host : formatIp(listening.address);
}

/** The canonical text of the address that one host can have; `undefined` for any other text. */
export function hostIpOf(text: string): string | undefined {
  const address = parseIp(text);
  return address === undefined || !isHostAddress(address) ? undefined : formatIp(address);
}

/**
 * Whether a socket that is bound to `host` sends to an IP address, and gets what is sent to it: each family reaches its
 * own, and only `::` both. A host name may have addresses of both.
 */
export function reachesFrom(host: string): (ip: string) => boolean {
  const from = listenAddressOf(host)?.address;
  const isOfBoth = from === undefined || formatIp(from) === EVERY_IP;
  return (ip) => {
    const to = parseIp(ip);
    return to !== undefined && (isOfBoth || to.length === from.length);
  };
}
