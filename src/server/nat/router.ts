import { parseIp, withoutZone } from '../../base/ip.ts';
import { isGlobal } from '../../base/ip-class.ts';
import { defaultGateway, defaultIpv6Gateway, localAddressTo } from '../../io/gateway.ts';
import { noRouter, PCP_PORT, SSDP_GROUP, SSDP_GROUP6, SSDP_PORT } from '../../nat/index.ts';
import type { IpFamily } from '../endpoint-votes.ts';
import { EVERY_IP, EVERY_IPV4, toldHost } from '../listen-host.ts';

/** An address of the Internet, of no host: the system is asked which address it would send from. */
const SOMEWHERE = '2000::';

/** Where a router is asked. */
export interface RouterPlace {
  /** Text of its address; one of IPv6 with its zone, if it has one. */
  readonly host: string;
  /** Text of the address of this machine from which it is asked. */
  readonly from: string;
  readonly pcpPort: number;
  readonly ssdp: readonly { readonly host: string; readonly port: number }[];
}

/** Whether what comes to the IPv4 address `local` comes to a node that listens on `listenHost`. */
export function listensAt(listenHost: string, local: string): boolean {
  return listenHost === EVERY_IPV4 || listenHost === EVERY_IP || listenHost === local;
}

/**
 * The router of the default route by a family: nobody else in the network is asked.
 * @param listenHost where the node listens: a router maps to an address from which it is asked
 * @throws PeerlaneError `nat-no-router`
 */
export function findRouter(listenHost: string, family: IpFamily): Promise<RouterPlace> {
  return family === 4 ? findIpv4Router(listenHost) : findIpv6Router(listenHost);
}

/** It opens its firewall for an address that is reached from everywhere, and the request comes from there. */
async function findIpv6Router(listenHost: string): Promise<RouterPlace> {
  const host = await defaultIpv6Gateway();
  if (host === undefined)
    throw noRouter('this machine has no default gateway by IPv6, or the system does not tell it');
  const from = listenHost === EVERY_IP ? await localAddressTo(SOMEWHERE) : toldHost(listenHost);
  if (from === undefined) throw noRouter('this machine has no IPv6 address for the Internet');
  const address = parseIp(from);
  if (address === undefined || !isGlobal(address))
    throw noRouter(`the node is at ${from}, which is not reached from everywhere`);
  const zone = host.slice(withoutZone(host).length);
  const ssdp = (zone === '' ? [host] : [SSDP_GROUP6 + zone, host]).map((to) => ({
    host: to,
    port: SSDP_PORT,
  }));
  return { host, from, pcpPort: PCP_PORT, ssdp };
}

async function findIpv4Router(listenHost: string): Promise<RouterPlace> {
  const host = await defaultGateway();
  if (host === undefined)
    throw noRouter('this machine has no default gateway by IPv4, or the system does not tell it');
  const local = await localAddressTo(host);
  if (local === undefined) throw noRouter(`there is no way to the default gateway ${host}`);
  if (!listensAt(listenHost, local)) {
    throw noRouter(
      `the router ${host} maps to ${local}, where the node does not listen, but on ${listenHost}`,
    );
  }
  const ssdp = [SSDP_GROUP, host].map((to) => ({ host: to, port: SSDP_PORT }));
  return { host, from: local, pcpPort: PCP_PORT, ssdp };
}

/** The router of a node, asked for each time: machines move. */
export class NodeRouter {
  readonly listenHost: string;
  readonly family: IpFamily;
  #host: string | undefined;

  /** @param listenHost as for `findRouter` */
  constructor(listenHost: string, family: IpFamily = 4) {
    this.listenHost = listenHost;
    this.family = family;
  }

  /** Text of the address of the one that was found last, without a zone. */
  get host(): string | undefined {
    return this.#host;
  }

  /** @throws PeerlaneError `nat-no-router` */
  async find(): Promise<RouterPlace> {
    const place = await findRouter(this.listenHost, this.family);
    this.#host = withoutZone(place.host);
    return place;
  }
}
