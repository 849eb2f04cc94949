/** The router that this machine's packets leave by. */
import { createSocket } from 'node:dgram';
import { readFile } from 'node:fs/promises';
import { formatIpv4 } from '../base/ip.ts';

/** The routing table of Linux; other systems have none that is a file. */
const ROUTES = '/proc/net/route';
/** The route has a gateway (RTF_GATEWAY of linux/route.h). */
const BY_GATEWAY = 0x2;
/** No packet is sent there: the system is asked which address it would send from. */
const ANY_PORT = 9;

/** Text of the IPv4 address of the default gateway with the best metric; `undefined` where there is none, or nobody tells. */
export async function defaultGateway(): Promise<string | undefined> {
  try {
    return gatewayIn(await readFile(ROUTES, 'latin1'));
  } catch {
    return undefined;
  }
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
  const best = routes.sort((a, b) => a.metric - b.metric)[0];
  if (best === undefined) return undefined;
  // In the order of this machine, which every system that Node.js runs on has with the lowest byte first.
  return formatIpv4(
    Uint8Array.from(best.gateway.match(/../g) ?? [], (digits) => Number.parseInt(digits, 16)).reverse(),
  );
}

/** Text of the own IPv4 address from which packets go to `ip`; `undefined` when there is no way. */
export function localAddressTo(ip: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = createSocket('udp4');
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
