import { PeerlaneError } from '../base/errors.ts';
import { lookupHost } from '../io/dns.ts';
import type { ListenAddress } from './arguments.ts';

/** The address behind a host name of this machine. @throws PeerlaneError `listen-failed` */
export async function listenOn({ host, port }: ListenAddress): Promise<ListenAddress> {
  try {
    return { host: await lookupHost(host), port };
  } catch (cause) {
    const message = `cannot listen on ${host}: it is no address of this machine`;
    throw new PeerlaneError('listen-failed', message, { cause });
  }
}
