/** The addresses that a node listens on: one, or one of each family. */
import { checkNames, checkPort, invalidArgument, type NamesOf, readEach } from '../base/checks.ts';
import type { Endpoint } from '../io/tcp.ts';
import { familyOf } from './endpoint-votes.ts';
import { checkedListenHost, hostIpOf, isIpHost, reachesFrom } from './listen-host.ts';
import type { AddressRule } from './net-restrict.ts';

/** An address and a port (0: any free one), or two: one of IPv4 and one of IPv6. */
export type Listen = Endpoint | readonly Endpoint[];

const ENDPOINT: NamesOf<Endpoint> = { host: true, port: true };

/**
 * A copy, with the one text of each host: it stays as it was checked. A host name stands alone, since nobody knows of which
 * family it is.
 * @throws PeerlaneError `invalid-argument`
 */
export function checkedListen(listen: Listen): readonly Endpoint[] {
  if (!isList(listen)) return [checkedEndpoint(listen)];
  const all = readEach('listen', listen, (one) => requireIp(checkedEndpoint(one)));
  if (all.length === 0) throw invalidArgument('listen has no address');
  requireOneOfEach(
    'listen',
    all.map(({ host }) => host),
  );
  return all;
}

function isList(listen: Listen): listen is readonly Endpoint[] {
  return Array.isArray(listen);
}

function checkedEndpoint(endpoint: Endpoint): Endpoint {
  checkNames('listen', endpoint, ENDPOINT);
  const { host, port } = endpoint;
  const text = checkedListenHost(host);
  checkPort('listen.port', port);
  return { host: text, port };
}

/** @throws PeerlaneError `invalid-argument` for a host name */
export function requireIp(endpoint: Endpoint): Endpoint {
  if (isIpHost(endpoint.host)) return endpoint;
  throw invalidArgument('listen.host is not an IP address');
}

/** Whether no two addresses are of one family. */
export function isOneOfEach(hosts: readonly string[]): boolean {
  return new Set(hosts.map(familyOf)).size === hosts.length;
}

/**
 * @param name of the option, for errors
 * @throws PeerlaneError `invalid-argument` when two addresses are of one family
 */
export function requireOneOfEach(name: string, hosts: readonly string[]): void {
  if (isOneOfEach(hosts)) return;
  throw invalidArgument(`${name} has two addresses of one family: it takes one of IPv4 and one of IPv6`);
}

/** As sockets are bound: of two, that of IPv6 leaves IPv4 to the other, where they are all addresses of a family. */
export function oneFamilyEach(
  listen: readonly Endpoint[],
): readonly (Endpoint & { readonly isIpv6Only: boolean })[] {
  return listen.map((one) => ({ ...one, isIpv6Only: listen.length > 1 && familyOf(one.host) === 6 }));
}

/** Whether there is a way to an IP address from one of the hosts. */
export function reachesFromAny(hosts: readonly string[]): AddressRule {
  const ways = hosts.map(reachesFrom);
  return (ip) => ways.some((isWay) => isWay(ip));
}

/** The address at which others reach a node, or two: one of IPv4 and one of IPv6. */
export type ExternalIp = string | readonly string[];

/**
 * The canonical texts of the addresses at which others reach a node. Whoever reads a record writes to its address: without a
 * socket of that family nothing comes.
 * @param hosts where the node listens
 * @param name of the option, for errors
 * @throws PeerlaneError `invalid-argument`
 */
export function checkedExternalIps(
  externalIp: ExternalIp | undefined,
  hosts: readonly string[],
  name = 'externalIp',
): readonly string[] {
  if (externalIp === undefined) return [];
  if (!Array.isArray(externalIp)) return [checkedExternalIp(externalIp as string, hosts, name)];
  const all = externalIp.map((ip: string, i) => checkedExternalIp(ip, hosts, `${name}[${i}]`));
  if (all.length === 0) throw invalidArgument(`${name} has no address`);
  requireOneOfEach(name, all);
  return all;
}

function checkedExternalIp(externalIp: string, hosts: readonly string[], name: string): string {
  const address = typeof externalIp === 'string' ? hostIpOf(externalIp) : undefined;
  if (address === undefined) throw invalidArgument(`${name} is not the IP address of a host`);
  if (hosts.length === 0) throw invalidArgument(`${name} is given, but the node listens nowhere`);
  if (reachesFromAny(hosts)(address)) return address;
  const places = hosts.join(' and ');
  throw invalidArgument(`${name}: nobody reaches ${places}, where the node listens, at ${address}`);
}
