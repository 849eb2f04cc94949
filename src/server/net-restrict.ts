/** Networks that a node has to do with, and those that it has not. */
import { readEach } from '../base/checks.ts';
import { type Cidr, inCidr, parseCidr } from '../base/cidr.ts';
import { parseIp, withoutZone } from '../base/ip.ts';
import { isIpHost } from './listen-host.ts';

export interface NetRestrictOptions {
  /** Blocks of addresses (`10.0.0.0/8`, `fc00::/7`) outside of which nobody is dialed, taken in or looked for; default: there are none. */
  readonly netRestrict?: readonly string[] | undefined;
  /** Blocks of addresses in which nobody is dialed, taken in or looked for, also if `netRestrict` has them. */
  readonly netDeny?: readonly string[] | undefined;
}

/** Whether one has to do with an IP address. */
export type AddressRule = (ip: string) => boolean;

/** @throws PeerlaneError `invalid-argument` */
export function checkNetRestrict({ netRestrict, netDeny = [] }: NetRestrictOptions): AddressRule {
  const allowed = netRestrict === undefined ? undefined : readEach('netRestrict', netRestrict, parseCidr);
  const denied = readEach('netDeny', netDeny, parseCidr);
  if (allowed === undefined && denied.length === 0) return () => true;
  return (ip) => {
    const address = addressOf(ip);
    if (address === undefined) return false;
    const isIn = (block: Cidr): boolean => inCidr(address, block);
    return (allowed === undefined || allowed.some(isIn)) && !denied.some(isIn);
  };
}

/** Whether a node may be dialed; the addresses of a host name are looked at when it is. */
export function mayBeDialed({ host }: { readonly host: string }, allows: AddressRule): boolean {
  return !isIpHost(host) || allows(host);
}

/** An address without its interface, which a link-local one has (RFC 4007, section 11). */
export function addressOf(ip: string): Uint8Array | undefined {
  return parseIp(withoutZone(ip));
}
