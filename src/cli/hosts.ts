/** Addresses of this machine to listen on, and to send from. */
import { PeerlaneError } from '../base/errors.ts';
import { lookupHost } from '../io/dns.ts';
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
