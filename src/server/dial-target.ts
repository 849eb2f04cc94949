/** Where a node is dialed: at several places perhaps, of which the first is tried first. */
import { equalBytes } from '../base/bytes.ts';
import { parseIp } from '../base/ip.ts';
import { type Enode, endpointsOfRecord, type NodeRecord } from '../enr/index.ts';
import type { Endpoint, Wire } from '../io/tcp.ts';
import { mayRelay } from '../kad/index.ts';
import { banNameOf } from './bans.ts';
import { type AddressRule, mayBeDialed } from './net-restrict.ts';

/** Places of one node: the one that was named, and others that its record names or named. */
export const MAX_ENDPOINTS = 4;

/** A node to be dialed. */
export interface DialTarget extends Enode {
  /** Other places where it may be. */
  readonly alternatives?: readonly Endpoint[];
  /** Of the addresses that a host name has so many come last, in a circle. Default: none. */
  readonly turn?: number;
}

/** All places of a node. */
export function endpointsOf({ host, tcpPort, alternatives = [] }: DialTarget): readonly Endpoint[] {
  return [{ host, port: tcpPort }, ...alternatives];
}

export function hostsOf(target: DialTarget): string[] {
  return endpointsOf(target).map(({ host }) => host);
}

/** Whether all places of a node are among those of another target. */
export function hasPlacesOf(target: DialTarget, other: DialTarget): boolean {
  const places = endpointsOf(target);
  return endpointsOf(other).every((one) => places.some((place) => isSame(one, place)));
}

/** Whether one of its places may be dialed, and it may come in from there. */
export function isAllowed(
  node: Enode & { readonly record?: NodeRecord | undefined },
  allows: AddressRule,
): boolean {
  return hostsOf(withRecordEndpoints(node, node.record)).some((host) => mayBeDialed({ host }, allows));
}

/** Whether one of its places is at an address, by the name that `banNameOf` gives it. */
export function isAt(target: DialTarget, name: string): boolean {
  return endpointsOf(target).some(({ host }) => banNameOf(host) === name);
}

/** The node, with the places that its record names beside the one that it was given by; the user has given both. */
export function withRecordEndpoints(node: Enode, record: NodeRecord | undefined): DialTarget {
  if (record === undefined || !equalBytes(record.publicKey, node.publicKey)) return node;
  return withAlternatives(node, tcpEndpoints(record));
}

/**
 * A node that was found at an address, with the places of the other family that its record names. A record may name anybody's
 * address: of this family it is where it was found, and of the other one no place is taken that somebody there could not name to
 * us (`mayRelay`), so that nobody out in the net leads us into our own.
 */
export function foundAt(node: Enode, record: NodeRecord | undefined): DialTarget {
  if (record === undefined || !equalBytes(record.publicKey, node.publicKey)) return node;
  const { host } = node;
  const others = tcpEndpoints(record).filter((one) => isIpv6(one.host) !== isIpv6(host));
  return withAlternatives(
    node,
    others.filter((one) => mayRelay(host, one.host)),
  );
}

/**
 * The node at the places that its newest record names; `undefined` if all of them are known. Those are left out which nobody at
 * the known ones could name to us (`mayRelay`); behind a host name may be anybody.
 */
export function movedTo(node: DialTarget, record: NodeRecord): DialTarget | undefined {
  const known = endpointsOf(node);
  const [first, ...others] = tcpEndpoints(record).filter(({ host }) =>
    known.some((one) => mayRelay(one.host, host)),
  );
  if (first === undefined || known.some((one) => isSame(one, first))) return undefined;
  return withAlternatives({ ...node, host: first.host, tcpPort: first.port }, [...others, ...known]);
}

/** The node with the next of its places first, and of a name's: where the first was taken there is somebody else perhaps. */
export function rotated(node: DialTarget): DialTarget {
  const [first, ...others] = endpointsOf(node);
  const [next, ...rest] = others;
  const hasName = hostsOf(node).some((host) => parseIp(host) === undefined);
  const turned = hasName ? { ...node, turn: (node.turn ?? 0) + 1 } : node;
  if (first === undefined || next === undefined) return turned;
  return { ...turned, host: next.host, tcpPort: next.port, alternatives: [...rest, first] };
}

/** The node at the place where it has been reached; one that is named by a host keeps its name. */
export function reachedAt(node: DialTarget, { remoteAddress: host, remotePort: tcpPort }: Wire): Enode {
  const { publicKey, udpPort, alternatives } = node;
  return alternatives === undefined ? node : { publicKey, host, tcpPort, udpPort };
}

function withAlternatives(node: Enode, endpoints: readonly Endpoint[]): DialTarget {
  const kept: Endpoint[] = [{ host: node.host, port: node.tcpPort }];
  for (const endpoint of endpoints) {
    if (kept.length < MAX_ENDPOINTS && !kept.some((one) => isSame(one, endpoint))) kept.push(endpoint);
  }
  return kept.length === 1 ? node : { ...node, alternatives: kept.slice(1) };
}

function tcpEndpoints(record: NodeRecord): Endpoint[] {
  return endpointsOfRecord(record)
    .filter(({ tcpPort }) => tcpPort !== 0)
    .map(({ host, tcpPort: port }) => ({ host, port }));
}

const isIpv6 = (host: string): boolean => host.includes(':');

const isSame = (a: Endpoint, b: Endpoint): boolean => a.host === b.host && a.port === b.port;
