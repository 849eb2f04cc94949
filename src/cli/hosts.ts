/** Addresses of this machine to listen on and to send from, and those of others that are reached from there. */
import { PeerlaneError } from '../base/errors.ts';
import { lookupHost } from '../io/dns.ts';
import type { HostLookup } from '../server/bootnodes.ts';
import { reachesFromAny, requireOneOfEach } from '../server/listen-endpoints.ts';
import { checkedListenHost } from '../server/listen-host.ts';
import type { ListenAddress } from './arguments.ts';

/**
 * The address behind a host name of this machine.
 * @throws PeerlaneError `listen-failed`; `invalid-argument` for an address that is not one host's
 */
export async function listenOn({ host, port }: ListenAddress): Promise<ListenAddress> {
  let found: string;
  try {
    found = await lookupHost(host);
  } catch (cause) {
    const message = `cannot listen on ${host}: it is no address of this machine`;
    throw new PeerlaneError('listen-failed', message, { cause });
  }
  return { host: checkedListenHost(found), port };
}

/**
 * The addresses of this machine, one or one of each family.
 * @throws PeerlaneError as `listenOn`; `invalid-argument` for two of one family
 */
export async function listenOnEach(given: readonly ListenAddress[]): Promise<readonly ListenAddress[]> {
  const listen = await Promise.all(given.map(listenOn));
  requireOneOfEach(
    '--listen',
    listen.map(({ host }) => host),
  );
  return listen;
}

/** Whether there is a way from any of the addresses to an IP address. */
export function reachesFromEach(listen: readonly ListenAddress[]): (ip: string) => boolean {
  return reachesFromAny(listen.map(({ host }) => host));
}

/**
 * How the names of those are looked up that are asked from there: of several addresses the first that is reached is taken,
 * IPv4 before IPv6. @param listen default: any socket
 * @throws PeerlaneError as `listenOnEach`
 */
export async function lookupFrom(listen: readonly ListenAddress[] | undefined): Promise<HostLookup> {
  if (listen === undefined) return lookupHost;
  const reaches = reachesFromEach(await listenOnEach(listen));
  return (name, signal) => lookupHost(name, signal, reaches);
}
