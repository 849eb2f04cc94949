/** Addresses of this machine to listen on and to send from, and those of others that are reached from there. */
import { PeerlaneError } from '../base/errors.ts';
import { lookupHost } from '../io/dns.ts';
import type { HostLookup } from '../server/bootnodes.ts';
import { checkedListenHost, reachesFrom } from '../server/listen-host.ts';
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
 * How the names of those are looked up that are asked from there: of several addresses the first that is reached is taken,
 * IPv4 before IPv6. @param listen default: any socket
 * @throws PeerlaneError as `listenOn`
 */
export async function lookupFrom(listen: ListenAddress | undefined): Promise<HostLookup> {
  if (listen === undefined) return lookupHost;
  const reaches = reachesFrom((await listenOn(listen)).host);
  return (name, signal) => lookupHost(name, signal, reaches);
}
