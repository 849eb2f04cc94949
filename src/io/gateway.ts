/** The router that this machine's packets leave by. */
import { createSocket } from 'node:dgram';
import { readFile } from 'node:fs/promises';
import { isIPv6 } from 'node:net';
import { fromHex } from '../base/bytes.ts';
import { formatIp, formatIpv4 } from '../base/ip.ts';
import { classOfIp } from '../base/ip-class.ts';

/** The routing tables of Linux; other systems have none that are files. */
const ROUTES = '/proc/net/route';
const IPV6_ROUTES = '/proc/net/ipv6_route';
/** The route has a gateway (RTF_GATEWAY of linux/route.h). */
const BY_GATEWAY = 0x2;
/** No packet is sent there: the system is asked which address it would send from. */
const ANY_PORT = 9;

/** Text of the IPv4 address of the default gateway with the best metric; `undefined` where there is none, or nobody tells. */
export function defaultGateway(): Promise<string | undefined> {
  return readRoutes(ROUTES, gatewayIn);
}

async function readRoutes(
  file: string,
  read: (table: string) => string | undefined,
): Promise<string | undefined> {
  try {
    return read(await readFile(file, 'latin1'));
  } catch {
    return undefined;
  }
}

function bestOf<T extends { readonly metric: number }>(routes: T[]): T | undefined {
  return routes.sort((a, b) => a.metric - b.metric)[0];
}

/** @param table the text of `/proc/net/route` */
export function gatewayIn(table: string): string | undefined {
  const routes = table.split('\n').flatMap((line) => {
    const [, destination, gateway = '', flags = '', , , metric, mask] = line.split('\t');
    const isDefault = destination === '00000000' && mask === '00000000';
    if (!isDefault || !/^[0-9A-F]{8}$/i.test(gateway)) return [];
    if ((Number.parseInt(flags, 16) & BY_GATEWAY) === 0) return [];
    return [{ gateway, metric: Number(metric) }];
  });
  const best = bestOf(routes);
  // In the order of this machine, which every system that Node.js runs on has with the lowest byte first.
  return best && formatIpv4(fromHex(best.gateway).reverse());
}

/**
 * The same by IPv6. An address of the link has its zone, the interface (RFC 4007, section 11), without which nobody is reached
 * there.
 */
export function defaultIpv6Gateway(): Promise<string | undefined> {
  return readRoutes(IPV6_ROUTES, ipv6GatewayIn);
}

/** @param table the text of `/proc/net/ipv6_route` */
export function ipv6GatewayIn(table: string): string | undefined {
  const routes = table.split('\n').flatMap((line) => {
    const fields = line.trim().split(/\s+/);
    const [network = '', bits, , , gateway = '', metric = '', , , flags = '', device = ''] = fields;
    const isDefault = /^0{32}$/.test(network) && bits === '00';
    if (!isDefault || !/^[0-9a-f]{32}$/i.test(gateway) || device === '') return [];
    if ((Number.parseInt(flags, 16) & BY_GATEWAY) === 0) return [];
    return [{ gateway, device, metric: Number.parseInt(metric, 16) }];
  });
  const best = bestOf(routes);
  if (best === undefined) return undefined;
  const address = fromHex(best.gateway);
  const zone = classOfIp(address) === 'link-local' ? `%${best.device}` : '';
  return formatIp(address) + zone;
}

/** Text of the own address from which packets go to `ip`, of the same family; `undefined` when there is no way. */
export function localAddressTo(ip: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = createSocket(isIPv6(ip) ? 'udp6' : 'udp4');
    const done = (address: string | undefined): void => {
      socket.removeAllListeners();
      socket.close();
      resolve(address);
    };
    socket.once('error', () => done(undefined));
    // An error is given to the callback, which the types do not say.
    const connected = (error?: Error): void =>
      done(error === undefined ? socket.address().address : undefined);
    socket.connect(ANY_PORT, ip, connected);
  });
}
