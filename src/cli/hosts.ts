/** Addresses of this machine to listen on, and to send from. */
import { networkInterfaces } from 'node:os';
import { PeerlaneError } from '../base/errors.ts';
import { formatIp, parseIp, parseIpv4 } from '../base/ip.ts';
import { classOfIp } from '../base/ip-class.ts';
import { lookupHost } from '../io/dns.ts';
import type { ListenAddress } from './arguments.ts';

/**
 * The address behind a host name of this machine.
 * @throws PeerlaneError `listen-failed`, also for an address of many hosts: the system lets it be listened on
 */
export async function listenOn({ host, port }: ListenAddress): Promise<ListenAddress> {
  let found: string;
  try {
    found = await lookupHost(host);
  } catch (cause) {
    const message = `cannot listen on ${host}: it is no address of this machine`;
    throw new PeerlaneError('listen-failed', message, { cause });
  }
  const address = parseIp(found);
  // One with a zone is of an interface, and taken as it is.
  if (address === undefined) return { host: found, port };
  const normal = formatIp(address);
  const kind = kindOf(address, normal);
  if (kind === undefined) return { host: normal, port };
  throw new PeerlaneError('listen-failed', `cannot listen on ${host}: it is ${kind}`);
}

/** What an address is that no single host has. */
function kindOf(address: Uint8Array, text: string): string | undefined {
  const name = classOfIp(address);
  if (name === 'multicast') return 'a multicast address, of many hosts';
  if (text === '255.255.255.255' || broadcastAddresses().includes(text)) {
    return 'a broadcast address, of many hosts';
  }
  return name === 'reserved' ? 'a reserved address, of no host' : undefined;
}

/** Those of the networks that this machine is in. */
function broadcastAddresses(): string[] {
  const all = Object.values(networkInterfaces()).flatMap((interfaces) => interfaces ?? []);
  return all.flatMap(({ address, netmask }) => {
    const [host, mask] = [parseIpv4(address), parseIpv4(netmask)];
    // A network of two hosts has none (RFC 3021).
    if (host === undefined || mask === undefined || (mask[3] ?? 0) >= 0xfe) return [];
    return [formatIp(host.map((byte, i) => byte | (0xff & ~(mask[i] ?? 0))))];
  });
}
