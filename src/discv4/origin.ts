import { classOfIp, isHostClass, isLocalClass } from '../base/ip-class.ts';
import { addressBytes, normalIp, subnetOf, type UdpEndpoint } from './address.ts';
import { endpointKey } from './proofs.ts';

/** Where a packet came from, and with whom it shares limits. */
export interface Origin {
  readonly endpoint: UdpEndpoint;
  /** Of the endpoint. */
  readonly key: string;
  readonly subnet: string;
  /** Whether it is on this machine or in a LAN, where networks have no limits. */
  readonly isLocal: boolean;
}

/** `undefined` where no host can be: what seems to come from there is forged. */
export function originOf({ ip, port }: UdpEndpoint): Origin | undefined {
  const endpoint = { ip: normalIp(ip), port };
  const address = addressBytes(endpoint.ip);
  if (port < 1 || address.length === 0) return undefined;
  const name = classOfIp(address);
  if (!isHostClass(name)) return undefined;
  const subnet = subnetOf(endpoint.ip);
  return { endpoint, key: endpointKey(endpoint), subnet, isLocal: isLocalClass(name) };
}
