import { defaultGateway, localAddressTo } from '../../io/gateway.ts';
import { noRouter, PCP_PORT, SSDP_GROUP, SSDP_PORT } from '../../nat/index.ts';
import { EVERY_IP, EVERY_IPV4 } from '../listen-host.ts';

/** Where a router is asked. */
export interface RouterPlace {
  /** Text of its IPv4 address. */
  readonly host: string;
  /** Text of the IPv4 address of this machine from which it is asked. */
  readonly from: string;
  readonly pcpPort: number;
  readonly ssdp: readonly { readonly host: string; readonly port: number }[];
}

/** Whether what comes to the IPv4 address `local` comes to a node that listens on `listenHost`. */
export function listensAt(listenHost: string, local: string): boolean {
  return listenHost === EVERY_IPV4 || listenHost === EVERY_IP || listenHost === local;
}

/**
 * The router of the default route: nobody else in the network is asked.
 * @param listenHost where the node listens: a router maps to an address from which it is asked
 * @throws PeerlaneError `nat-no-router`
 */
export async function findRouter(listenHost: string): Promise<RouterPlace> {
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
  #host: string | undefined;

  /** @param listenHost as for `findRouter` */
  constructor(listenHost: string) {
    this.listenHost = listenHost;
  }

  /** Text of the address of the one that was found last. */
  get host(): string | undefined {
    return this.#host;
  }

  /** @throws PeerlaneError `nat-no-router` */
  async find(): Promise<RouterPlace> {
    const place = await findRouter(this.listenHost);
    this.#host = place.host;
    return place;
  }
}
