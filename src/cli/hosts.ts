/** Host names, which the resolver of the system looks up. */
import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { abortedError, onAbort } from '../base/abort.ts';
import { PeerlaneError } from '../base/errors.ts';
import type { ListenAddress } from './arguments.ts';

/** The address behind a host name of this machine. @throws PeerlaneError `listen-failed` */
export async function listenOn({ host, port }: ListenAddress): Promise<ListenAddress> {
  try {
    return { host: (await lookup(host)).address, port };
  } catch (cause) {
    const message = `cannot listen on ${host}: it is no address of this machine`;
    throw new PeerlaneError('listen-failed', message, { cause });
  }
}

/** The address of a node's host, IPv4 if it has one. @throws PeerlaneError `lookup-failed`, `aborted` */
export async function addressOf(host: string, signal: AbortSignal): Promise<string> {
  if (isIP(host) !== 0) return host;
  let removeListener = (): void => undefined;
  // The system's resolver takes its time, whatever the signal says.
  const aborted = new Promise<never>((_, reject) => {
    removeListener = onAbort(signal, () => reject(abortedError(signal)));
  });
  try {
    return (await Promise.race([lookup(host, { order: 'ipv4first' }), aborted])).address;
  } catch (cause) {
    if (signal.aborted) throw abortedError(signal);
    throw new PeerlaneError('lookup-failed', `the host name ${host} does not resolve`, { cause });
  } finally {
    removeListener();
  }
}
