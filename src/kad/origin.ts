import { classOfIp, isHostClass, isLocalClass } from '../base/ip-class.ts';
import {
  addressBytes,
  endpointKey,
  normalIp,
  placeOf,
  subnetOf,
  type UdpEndpoint,
  wideNetworkOf,
} from './address.ts';

/** Where a packet came from, and with whom it shares limits. */
export interface Origin {
  readonly endpoint: UdpEndpoint;
  /** Of the endpoint. */
  readonly key: string;
  /** With whom it shares the limits of an address. */
  readonly place: string;
  /** A /24, of IPv6 a /48; `undefined` on this machine or in a LAN, where networks have no limits. */
  readonly network: string | undefined;
  /** Who shares with others what is for all: a /24, of IPv6 a /32, as all in it may be one host's; in a LAN an address. */
  readonly sharer: string;
  /** The /48 of that /32, with those of which it shares what all of them have. */
  readonly part: string | undefined;
}

/** `undefined` where no host can be: what seems to come from there is forged. */
export function originOf({ ip, port }: UdpEndpoint): Origin | undefined {
  const endpoint = { ip: normalIp(ip), port };
  const address = addressBytes(endpoint.ip);
  if (port < 1 || address.length === 0) return undefined;
  const name = classOfIp(address);
  if (!isHostClass(name)) return undefined;
  const [key, place] = [endpointKey(endpoint), placeOf(endpoint)];
  if (isLocalClass(name)) return { endpoint, key, place, network: undefined, sharer: place, part: undefined };
  const wide = wideNetworkOf(address);
  // To read the address of IPv6 once more would take longer than all else.
  const network = wide === undefined ? subnetOf(endpoint.ip) : place;
  const part = wide === undefined ? undefined : network;
  return { endpoint, key, place, network, sharer: wide ?? network, part };
}
