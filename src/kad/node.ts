import { compareBytes } from '../base/bytes.ts';
import { invalidArgument as invalid } from '../base/checks.ts';
import { formatIp, parseIp, parseIpv4 } from '../base/ip.ts';
import { isHostAddress } from '../base/ip-class.ts';
import { endpointsOfRecord, NodeRecord, nodeIdOf } from '../enr/index.ts';
import { mayName, type UdpEndpoint } from './address.ts';

/** A node as discovery knows it. */
export interface KadNode {
  /** Keccak-256 of the public key: 32 bytes. */
  readonly id: Uint8Array;
  /** 64 bytes. */
  readonly publicKey: Uint8Array;
  /** Canonical text: a dotted quad, or the form of RFC 5952; an IPv4 address is never inside an IPv6 address. */
  readonly ip: string;
  /** 1..65535 */
  readonly udpPort: number;
  /** 0..65535; 0: the node does not listen. */
  readonly tcpPort: number;
  readonly record: NodeRecord | undefined;
}

export interface KadNodeFields {
  /** 64 bytes, copied; whether they are a point of the curve is not looked into. */
  readonly publicKey: Uint8Array;
  /** Any text of an IPv4 or IPv6 address that a host can have. */
  readonly ip: string;
  readonly udpPort: number;
  readonly tcpPort: number;
  /** Of the same public key. */
  readonly record?: NodeRecord | undefined;
}

const PUBLIC_KEY_LENGTH = 64;

/** @throws PeerlaneError `invalid-argument` */
export function kadNode({ publicKey, ip, udpPort, tcpPort, record }: KadNodeFields): KadNode {
  if (!(publicKey instanceof Uint8Array) || publicKey.length !== PUBLIC_KEY_LENGTH) {
    throw invalid(`the public key of a node is a Uint8Array of ${PUBLIC_KEY_LENGTH} bytes`);
  }
  const address = canonicalIp(ip);
  if (address === undefined) throw invalid('the address of a node is that of one IPv4 or IPv6 host');
  if (!isPort(udpPort, 1)) throw invalid('the UDP port of a node is a number from 1 to 65535');
  if (!isPort(tcpPort, 0)) throw invalid('the TCP port of a node is a number from 0 to 65535');
  if (record !== undefined) {
    if (!(record instanceof NodeRecord)) throw invalid('the record of a node is a NodeRecord');
    if (compareBytes(record.publicKey, publicKey) !== 0) throw invalid('the record is of another node');
  }
  // A node outlives the packet that its key came in.
  const key = record?.publicKey ?? publicKey.slice();
  return { id: record?.nodeId ?? nodeIdOf(key), publicKey: key, ip: address, udpPort, tcpPort, record };
}

/**
 * Where a record says that its node takes part in discovery, in the order of `endpointsOfRecord`: the first place that
 * `reaches` takes; `undefined` if there is none.
 * @param reaches default: any place
 * @throws PeerlaneError `invalid-argument` for what is no record
 */
export function nodeOfRecord(
  record: NodeRecord,
  reaches: (node: KadNode) => boolean = () => true,
): KadNode | undefined {
  for (const { host: ip, udpPort, tcpPort } of endpointsOfRecord(record)) {
    if (udpPort === 0) continue;
    // What a record names is in the form of `kadNode`.
    const node = { id: record.nodeId, publicKey: record.publicKey, ip, udpPort, tcpPort, record };
    if (reaches(node)) return node;
  }
  return undefined;
}

/** The node where it is reached: at its address, or else at another one that its record names. */
export function reachedNode(node: KadNode, reaches: (node: KadNode) => boolean): KadNode | undefined {
  if (reaches(node)) return node;
  return node.record === undefined ? undefined : nodeOfRecord(node.record, reaches);
}

/** As `nodeOfRecord`, but where the node is known to be as long as its record names that place, whichever it names first. */
export function nodeOfRecordAt(
  record: NodeRecord,
  known: KadNode | undefined,
  reaches: (node: KadNode) => boolean,
): KadNode | undefined {
  const there = known && nodeOfRecord(record, (place) => sameEndpoint(place, known));
  return there ?? nodeOfRecord(record, reaches);
}

/** The node at the other place of its record, if there is one that it may be asked at. */
export type OtherPlace = (node: KadNode) => KadNode | undefined;

/**
 * The node at the address of the other family that its record names; `undefined` without one, and where it is not reached. Where it is
 * now has been believed already: the other place is, as if somebody there had named it.
 */
export function otherPlace(node: KadNode, reaches: (ip: string) => boolean): KadNode | undefined {
  const { record, ip: here } = node;
  if (record === undefined) return undefined;
  return nodeOfRecord(
    record,
    (place) => place.ip.includes(':') !== here.includes(':') && reaches(place.ip) && mayName(here, place),
  );
}

/** The one with the higher number of two records of a node; the first of two that are alike. */
export function newestRecord(a: NodeRecord | undefined, b: NodeRecord | undefined): NodeRecord | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return a.seq >= b.seq ? a : b;
}

/** Whether the node is reached by UDP there. */
export function isAt({ ip, udpPort }: KadNode, endpoint: UdpEndpoint): boolean {
  return ip === endpoint.ip && udpPort === endpoint.port;
}

/** Whether both are reached by UDP at the same place. */
export function sameEndpoint(a: KadNode, b: KadNode): boolean {
  return a.ip === b.ip && a.udpPort === b.udpPort;
}

/** `undefined` for what is no address, and for one that no host has. */
function canonicalIp(text: string): string | undefined {
  if (typeof text !== 'string') return undefined;
  // There is one text of an IPv4 address, and most are.
  const ipv4 = parseIpv4(text);
  if (ipv4 !== undefined) return isHostAddress(ipv4) ? text : undefined;
  const address = parseIp(text);
  return address === undefined || !isHostAddress(address) ? undefined : formatIp(address);
}

function isPort(port: number, min: number): boolean {
  return Number.isInteger(port) && port >= min && port <= 65_535;
}
