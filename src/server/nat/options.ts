import { checkInteger, checkNames, invalidArgument } from '../../base/checks.ts';
import type { Env } from '../../base/env.ts';
import type { PeerlaneError } from '../../base/errors.ts';
import { isHostName } from '../../base/host-name.ts';
import { formatIp, parseIpv4 } from '../../base/ip.ts';
import { isHostAddress } from '../../base/ip-class.ts';
import type { Endpoint } from '../../io/tcp.ts';
import { familyOf, IP_FAMILIES, type IpFamily } from '../endpoint-votes.ts';
import { checkedExternalIps, type ExternalIp } from '../listen-endpoints.ts';
import { EVERY_IP } from '../listen-host.ts';
import type { LocalEndpoints } from '../local-node.ts';
import type { NatMethod } from './method.ts';
import { PcpMethod, PmpMethod } from './pcp.ts';
import { PinholeMethod } from './pinhole.ts';
import type { NodeRouter } from './router.ts';
import { StunMethod } from './stun.ts';
import { UpnpMethod } from './upnp.ts';

/** How a node behind a router is reached from outside. */
export type NatOption =
  | 'none'
  /** PCP, NAT-PMP and UPnP, in this order, until one of them works. */
  | 'any'
  | 'pcp'
  | 'pmp'
  | 'upnp'
  /** No mapping is made: the server of `stunServer` says at which address it sees this machine. */
  | 'stun'
  /** As `externalIp`. */
  | { readonly extip: string | readonly string[] };

export interface NatOptions {
  /**
   * Whether a router is asked to let others in, and how; default `none`. Where the node listens on IPv6, `any`, `pcp` and `upnp`
   * also ask for pinholes in the firewall; `pmp` and `stun` are of IPv4 alone.
   */
  readonly nat?: NatOption;
  /** For `nat: 'stun'`: the host, an IPv4 address or a name, and UDP port of a STUN server. */
  readonly stunServer?: Endpoint | undefined;
}

const WAYS = ['none', 'any', 'pcp', 'pmp', 'upnp', 'stun'] as const;
export type NatWay = (typeof WAYS)[number];

export interface NatConfig {
  readonly way: NatWay;
  readonly stunServer: Endpoint | undefined;
}

/**
 * @param externalIp of the options
 * @param hosts where the node listens
 * @throws PeerlaneError `invalid-argument`
 */
export function checkNatOptions(
  options: NatOptions,
  externalIp: ExternalIp | undefined,
  hosts: readonly string[],
): { readonly nat: NatConfig; readonly externalIps: readonly string[] } {
  const { nat = 'none', stunServer } = options;
  const given = checkedExternalIps(externalIp, hosts);
  if (typeof nat === 'object' && nat !== null) {
    checkNames('nat', nat, { extip: true });
    if (nat.extip === undefined) throw noWay();
    requireNoServer(stunServer);
    const extip = checkedExternalIps(nat.extip, hosts, 'nat.extip');
    const isSame = given.length === extip.length && given.every((ip) => extip.includes(ip));
    if (given.length === 0 || isSame)
      return { nat: { way: 'none', stunServer: undefined }, externalIps: extip };
    throw invalidArgument(`externalIp is ${given.join(' and ')}, and nat says ${extip.join(' and ')}`);
  }
  const way = WAYS.find((one) => one === nat);
  if (way === undefined) throw noWay();
  if (way !== 'stun') requireNoServer(stunServer);
  if (way === 'none') return { nat: { way, stunServer: undefined }, externalIps: given };
  if (given.length > 0)
    throw invalidArgument(`externalIp says where others reach the node, and nat: '${way}' would find it out`);
  if (hosts.length === 0) throw invalidArgument(`nat is '${way}', but the node listens nowhere`);
  return {
    nat: { way, stunServer: way === 'stun' ? checkedStunServer(stunServer) : undefined },
    externalIps: [],
  };
}

function noWay(): PeerlaneError {
  return invalidArgument(
    `nat is neither one of ${WAYS.join(', ')} nor { extip }, with the IP address at which others reach the node`,
  );
}

function requireNoServer(stunServer: unknown): void {
  if (stunServer !== undefined) throw invalidArgument("stunServer is for nat: 'stun'");
}

/** A copy, with the one text of its host. @throws PeerlaneError `invalid-argument` */
export function checkedStunServer(server: Endpoint | undefined): Endpoint {
  if (server === undefined) throw invalidArgument("nat: 'stun' needs stunServer");
  checkNames('stunServer', server, { host: true, port: true });
  const { host, port } = server;
  checkInteger('stunServer.port', port, 1, 65_535);
  return { host: checkedServerHost(host), port };
}

function checkedServerHost(host: string): string {
  const address = typeof host === 'string' ? parseIpv4(host) : undefined;
  if (address !== undefined && isHostAddress(address)) return formatIp(address);
  if (address === undefined && typeof host === 'string' && isHostName(host)) return host;
  throw invalidArgument('stunServer.host is neither the IPv4 address of a host nor a host name');
}

/**
 * The families by which a router is asked.
 * @param own where the node listens
 */
export function natFamilies({ way }: NatConfig, own: LocalEndpoints): readonly IpFamily[] {
  const isOfBoth = own.host === EVERY_IP || own.beside?.host !== undefined;
  if (way === 'pmp' || way === 'stun') return [4];
  if (isOfBoth) return IP_FAMILIES;
  return [familyOf(own.host)];
}

/** The ways to an external endpoint, in the order in which they are tried. */
export function natMethods({ way, stunServer }: NatConfig, env: Env, router: NodeRouter): NatMethod[] {
  const { family } = router;
  const options = { env, router: () => router.find(), family };
  if (family === 6) {
    const ways = { pcp: [new PcpMethod(options)], upnp: [new PinholeMethod(options)] };
    return way === 'pcp' || way === 'upnp' ? ways[way] : [...ways.pcp, ...ways.upnp];
  }
  switch (way) {
    case 'none':
      return [];
    case 'any':
      return [new PcpMethod(options), new PmpMethod(options), new UpnpMethod(options)];
    case 'pcp':
      return [new PcpMethod(options)];
    case 'pmp':
      return [new PmpMethod(options)];
    case 'upnp':
      return [new UpnpMethod(options)];
    case 'stun':
      return stunServer === undefined
        ? []
        : [new StunMethod({ env, server: stunServer, listenHost: router.listenHost })];
  }
}
