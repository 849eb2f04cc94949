import { invalidArgument } from '../base/checks.ts';
import { formatIp, parseIp } from '../base/ip.ts';
import { classOfIp, isHostAddress } from '../base/ip-class.ts';

/** To all hosts of the network: no host's own. */
const BROADCAST = '255.255.255.255';

/**
 * A host name, or an address that one host can have, or all of them: a socket of a group gets what is meant for others,
 * and nobody reaches the node there.
 * @throws PeerlaneError `invalid-argument`
 */
export function checkListenHost(host: string): void {
  const address = parseIp(host);
  if (address === undefined) return;
  if (formatIp(address) !== BROADCAST && classOfIp(address) !== 'multicast') return;
  throw invalidArgument(`listen.host is a multicast or broadcast address, which is no host's: ${host}`);
}

/** The canonical text of the address that one host can have; `undefined` for any other text. */
export function hostIpOf(text: string): string | undefined {
  const address = parseIp(text);
  return address === undefined || !isHostAddress(address) ? undefined : formatIp(address);
}

/**
 * Whoever reads a record writes to its address: without a socket of that family nothing comes.
 * @param host an address that is listened on
 * @throws PeerlaneError `invalid-argument`
 */
export function requireReached(externalIp: string, host: string): void {
  const listening = parseIp(host);
  // A host name may have addresses of both families.
  if (listening === undefined || host === '::' || parseIp(externalIp)?.length === listening.length) return;
  throw invalidArgument(`nobody reaches ${host}, where the node listens, at ${externalIp}`);
}

/**
 * Whether a UDP socket that is bound to `host`, an IP address, can send to another one: each family reaches its own, and
 * only `::` both.
 */
export function reachesFrom(host: string): (ip: string) => boolean {
  const from = parseIp(host);
  const isOfBoth = from?.length === 16 && classOfIp(from) === 'unspecified';
  return (ip) => {
    const to = parseIp(ip);
    return to !== undefined && (isOfBoth || to.length === from?.length);
  };
}
