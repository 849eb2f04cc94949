/** enode URLs: `enode://<128 hex digits>@host:port?discport=n`. */
import { fromHex, toBareHex } from '../base/bytes.ts';
import { reading } from '../base/checks.ts';
import { PeerlaneError } from '../base/errors.ts';
import { endsInNumber, isHostName } from '../base/host-name.ts';
import { formatIp, hostBeforePort, parseIp, parseIpv4, parseIpv6 } from '../base/ip.ts';
import { isGlobal, isHostAddress } from '../base/ip-class.ts';
import { PUBLIC_KEY_LENGTH } from '../crypto/index.ts';
import { isPublicKey } from './identity.ts';
import { checkRecord, type NodeRecord } from './record.ts';

export interface Enode {
  /** The node's public key, 64 bytes. */
  readonly publicKey: Uint8Array;
  /** An IPv4 or IPv6 address (RFC 5952, no brackets) or a host name. */
  readonly host: string;
  /** 0: the node does not listen. */
  readonly tcpPort: number;
  /** Of discovery; 0: the node takes no part in it. */
  readonly udpPort: number;
}

/** A key of 128 digits, the longest host name (RFC 1035: 253) and room for the ports. */
const MAX_ENODE_LENGTH = 512;
const PREFIX = 'enode://';

/** @throws PeerlaneError `invalid-enode`, whose message says which part is wrong */
export function parseEnode(url: string): Enode {
  if (typeof url !== 'string') throw invalid('an enode URL is a string');
  if (!url.startsWith(PREFIX)) throw invalid('an enode URL starts with "enode://"');
  if (url.length > MAX_ENODE_LENGTH) throw invalid(`the URL is longer than ${MAX_ENODE_LENGTH} characters`);
  const [identity = '', location, ...more] = url.slice(PREFIX.length).split('@');
  const publicKey = keyOf(identity);
  if (location === undefined || more.length > 0) throw invalid('expected "@host:port" behind the key');
  const query = location.indexOf('?');
  const address = query < 0 ? location : location.slice(0, query);
  // The address has no colon of its own outside of brackets.
  const parts = /^(\[[^\]]*\]|[^:[\]]*):([^:]*)$/.exec(address);
  if (parts === null)
    throw invalid('expected "host:port" behind the key; an IPv6 address stands in brackets');
  const tcpPort = portOf(parts[2] ?? '', 'port');
  const udpPort = query < 0 ? undefined : discoveryPort(location.slice(query + 1));
  return { publicKey, host: hostOf(parts[1] ?? ''), tcpPort, udpPort: udpPort ?? tcpPort };
}

/**
 * `discport` is written only where it differs from the TCP port. Whether the host is one, and the key a point of the
 * curve, is not looked into.
 * @throws PeerlaneError `invalid-enode`, `invalid-argument`
 */
export function formatEnode(enode: Enode): string {
  return reading('the enode', () => formatted(enode));
}

function formatted(enode: Enode): string {
  if (typeof enode !== 'object' || enode === null) throw invalid('an enode is an object');
  const { publicKey, host, tcpPort, udpPort } = enode;
  if (!(publicKey instanceof Uint8Array) || publicKey.length !== PUBLIC_KEY_LENGTH) {
    throw invalid(`the node key is not a Uint8Array of ${PUBLIC_KEY_LENGTH} bytes`);
  }
  if (typeof host !== 'string') throw invalid('the host is not a string');
  for (const port of [tcpPort, udpPort]) {
    if (!Number.isInteger(port) || port < 0 || port > 65_535)
      throw invalid('a port is not a number from 0 to 65535');
  }
  const discovery = udpPort === tcpPort ? '' : `?discport=${udpPort}`;
  const parts = [PREFIX, toBareHex(publicKey), '@', hostBeforePort(host), ':', tcpPort, discovery];
  // Each peer keeps its URL: joined it is one string, not a tree of them.
  return parts.join('');
}

const ENDPOINT_KEYS = ['ip', 'ip6', 'tcp', 'udp', 'tcp6', 'udp6'] as const;

/** Where a record says that its node listens. */
export interface RecordEndpoint {
  /** An IPv4 address, or an IPv6 address (RFC 5952) that holds none. */
  readonly host: string;
  /** 0: the record names none. */
  readonly tcpPort: number;
  /** 0: the record names none. */
  readonly udpPort: number;
}

/**
 * The endpoints of a record, that of `ip` and that of `ip6`, without addresses at which no node can be: all zeros,
 * multicast, reserved ones. IPv4 comes first unless only the IPv6 address can be reached from everywhere, as behind a NAT.
 * @throws PeerlaneError `invalid-argument` for what is no record
 */
export function endpointsOfRecord(record: NodeRecord): RecordEndpoint[] {
  checkRecord(record);
  // enr.md: without tcp6 and udp6, tcp and udp apply to both addresses.
  const { ip, ip6, tcp = 0, udp = 0, tcp6 = tcp, udp6 = udp } = record.entries(ENDPOINT_KEYS);
  const endpoints: (RecordEndpoint & { readonly isGlobal: boolean })[] = [];
  for (const [text, tcpPort, udpPort] of [[ip, tcp, udp] as const, [ip6, tcp6, udp6] as const]) {
    const address = text === undefined ? undefined : parseIp(text);
    if (address === undefined || !isHostAddress(address)) continue;
    endpoints.push({ host: formatIp(address), tcpPort, udpPort, isGlobal: isGlobal(address) });
  }
  return endpoints
    .sort((a, b) => Number(b.isGlobal) - Number(a.isGlobal))
    .map(({ host, tcpPort, udpPort }) => ({ host, tcpPort, udpPort }));
}

/** The first endpoint of a record as an enode; `undefined` if it has none. Throws as `endpointsOfRecord`. */
export function enodeOfRecord(record: NodeRecord): Enode | undefined {
  const [first] = endpointsOfRecord(record);
  return first && { publicKey: record.publicKey, ...first };
}

function keyOf(digits: string): Uint8Array {
  if (!/^[0-9a-fA-F]{128}$/.test(digits)) {
    throw invalid('the node key is not 128 hexadecimal digits');
  }
  const publicKey = fromHex(digits);
  if (!isPublicKey(publicKey)) throw invalid('the node key is not a point of secp256k1');
  return publicKey;
}

function hostOf(text: string): string {
  if (text.startsWith('[')) {
    const address = parseIpv6(text.slice(1, -1));
    if (address === undefined) throw invalid('what stands in brackets is not an IPv6 address');
    return formatIp(address);
  }
  // Systems read such a name as one of several old forms of an IPv4 address.
  if (endsInNumber(text)) {
    if (parseIpv4(text) === undefined) throw invalid('the host is not an IPv4 address');
    return text;
  }
  if (!isHostName(text)) throw invalid('the host is not a host name');
  return text;
}

function discoveryPort(query: string): number | undefined {
  const values = query.split('&').filter((part) => part.startsWith('discport='));
  if (values.length > 1) throw invalid('"discport" occurs twice');
  return values[0] === undefined ? undefined : portOf(values[0].slice('discport='.length), 'discport');
}

function portOf(text: string, name: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 65_536;
  if (port > 65_535) throw invalid(`the ${name} is not a number from 0 to 65535`);
  return port;
}

function invalid(message: string): PeerlaneError {
  return new PeerlaneError('invalid-enode', message);
}
