import { classOfIp, isHostClass, isLocalClass } from '../base/ip-class.ts';
import { addressBytes, endpointKey, normalIp, placeOf, subnetOf, type UdpEndpoint } from './address.ts';

/** Where a packet came from, and with whom it shares limits. */
export interface Origin {
  readonly endpoint: UdpEndpoint;
  /** Of the endpoint. */
  readonly key: string;
  /** With whom it shares the limits of an address. */
  readonly place: string;
  /** A /24, of IPv6 a /48; `undefined` on this machine or in a LAN, where networks have no limits. */
  readonly network: string | undefined;
}

/** Who shares what there is with others: a network, as all in it may be one host's; in a LAN an address. */
export const sharerOf = ({ network, place }: Origin): string => network ?? place;

/** `undefined` where no host can be: what seems to come from there is forged. */
export function originOf({ ip, port }: UdpEndpoint): Origin | undefined {
  const endpoint = { ip: normalIp(ip), port };
  const address = addressBytes(endpoint.ip);
  if (port < 1 || address.length === 0) return undefined;
  const name = classOfIp(address);
  if (!isHostClass(name)) return undefined;
  const network = isLocalClass(name) ? undefined : subnetOf(endpoint.ip);
  return { endpoint, key: endpointKey(endpoint), place: placeOf(endpoint), network };
}
