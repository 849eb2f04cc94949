import { PeerlaneError } from '../base/errors.ts';
import { parseIp } from '../base/ip.ts';
import { classOfIp, isHostClass } from '../base/ip-class.ts';
import { lookupHost } from '../io/dns.ts';
import type { ListenAddress } from './arguments.ts';

const UNSPECIFIED = new Uint8Array(4);

/** The address behind a host name of this machine. @throws PeerlaneError `listen-failed` */
export async function listenOn({ host, port }: ListenAddress): Promise<ListenAddress> {
  const none = (why: string, cause?: unknown) =>
    new PeerlaneError('listen-failed', `cannot listen on ${host}: ${why}`, { cause });
  let address: string;
  try {
    address = await lookupHost(host);
  } catch (cause) {
    throw none('it is no address of this machine', cause);
  }
  const kind = classOfIp(parseIp(address) ?? UNSPECIFIED);
  // All zeros is every address of this machine.
  if (kind !== 'unspecified' && !isHostClass(kind)) throw none('no host has such an address');
  return { host: address, port };
}
