import { type NetworkInterfaceInfo, networkInterfaces } from 'node:os';
import { formatIp, parseIpv4 } from '../base/ip.ts';

/** The broadcast addresses of the IPv4 networks that this machine is in. */
export function broadcastAddresses(): string[] {
  return ownAddresses().flatMap(({ address, netmask }) => {
    const [host, mask] = [parseIpv4(address), parseIpv4(netmask)];
    // A network of two hosts has none (RFC 3021).
    if (host === undefined || mask === undefined || (mask[3] ?? 0) >= 0xfe) return [];
    return [formatIp(host.map((byte, i) => byte | (0xff & ~(mask[i] ?? 0))))];
  });
}

/** IPv6 as far as this machine has it: on itself, and in a net beyond its own link. */
export function ownIpv6(): { readonly isThere: boolean; readonly isInNet: boolean } {
  const own = ownAddresses().filter(({ family }) => family === 'IPv6');
  const isInNet = own.some(({ internal, address }) => !internal && !/^fe[89ab]/i.test(address));
  return { isThere: own.length > 0, isInNet };
}

function ownAddresses(): NetworkInterfaceInfo[] {
  return Object.values(networkInterfaces()).flatMap((interfaces) => interfaces ?? []);
}
