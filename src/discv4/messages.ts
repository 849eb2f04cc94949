/**
 * The data of the six packets (discv4.md, "Wire Protocol"; EIP-868). As EIP-8 asks, versions are not looked at, and
 * further items of a list, and bytes behind it, are ignored.
 */
import { unlessError } from '../base/errors.ts';
import { PUBLIC_KEY_LENGTH } from '../crypto/index.ts';
import { addressBytes, addressText } from '../kad/index.ts';
import {
  bigUint,
  bytes,
  type Codec,
  decode,
  decodePrefix,
  encodeBehind,
  list,
  optional,
  type RlpItem,
  raw,
  struct,
  uint,
} from '../rlp/index.ts';
import { PACKET_TYPE, packetData, packetName } from './packet.ts';

export const PROTOCOL_VERSION = 4;
/** So many of the largest entries fit into `MAX_PACKET_SIZE`. */
export const MAX_NEIGHBORS = 12;

/** Entries of a packet that are looked at; no more fit into one, or are taken of an answer. */
const MAX_ENTRIES = 32;

/** What a node says of itself or of another; ports are 0 where there is none. */
export interface WireEndpoint {
  /** In the form of `UdpEndpoint`; `undefined` for what is no address. */
  readonly ip: string | undefined;
  readonly udpPort: number;
  readonly tcpPort: number;
}

export interface Ping {
  readonly kind: 'ping';
  readonly from: WireEndpoint;
  readonly to: WireEndpoint;
  /** Unix time in seconds, here and below. */
  readonly expiration: number;
  /** Sequence number of the sender's record. */
  readonly enrSeq?: bigint | undefined;
}

export interface Pong {
  readonly kind: 'pong';
  readonly to: WireEndpoint;
  /** Hash of the Ping, 32 bytes. */
  readonly pingHash: Uint8Array;
  readonly expiration: number;
  readonly enrSeq?: bigint | undefined;
}

export interface FindNode {
  readonly kind: 'findNode';
  /** A public key, 64 bytes, which need not be one. */
  readonly target: Uint8Array;
  readonly expiration: number;
}

export interface Neighbor extends WireEndpoint {
  /** 64 bytes. */
  readonly publicKey: Uint8Array;
}

export interface Neighbors {
  readonly kind: 'neighbors';
  readonly nodes: readonly Neighbor[];
  readonly expiration: number;
}

export interface EnrRequest {
  readonly kind: 'enrRequest';
  readonly expiration: number;
}

export interface EnrResponse {
  readonly kind: 'enrResponse';
  /** Hash of the ENRRequest, 32 bytes. */
  readonly requestHash: Uint8Array;
  /** The RLP of the record, which has not been verified. */
  readonly record: Uint8Array;
}

export type Message = Ping | Pong | FindNode | Neighbors | EnrRequest | EnrResponse;

const trailing = { trailing: 'ignore' } as const;
const port = uint(16);
// Any integer of 64 bits is one on the wire; those above 2^53 seconds lie beyond any limit all the same.
const expiration = uint(53);
const hash = bytes(32);

// What is wrong with an address makes the packet of no less use: only where it came from counts.
const endpoint = struct({ address: bytes(), udpPort: port, tcpPort: port }, trailing);
const neighbor = struct(
  { address: bytes(), udpPort: port, tcpPort: port, publicKey: bytes(PUBLIC_KEY_LENGTH) },
  trailing,
);

const CODECS = {
  // The item in the place of a sequence number may be anything: EIP-8 is older than EIP-868.
  ping: struct({ version: raw, from: endpoint, to: endpoint, expiration, enrSeq: optional(raw) }, trailing),
  pong: struct({ to: endpoint, pingHash: hash, expiration, enrSeq: optional(raw) }, trailing),
  findNode: struct({ target: bytes(PUBLIC_KEY_LENGTH), expiration }, trailing),
  neighbors: struct({ nodes: list(raw), expiration }, trailing),
  enrRequest: struct({ expiration }, trailing),
  enrResponse: struct({ requestHash: hash, record: raw }, trailing),
};

const sequence = bigUint(64);

/**
 * The message of a packet of which `packetName` knows the type.
 * @throws PeerlaneError `rlp-*` when the data is not what the type asks for
 */
export function decodeMessage(packet: Uint8Array): Message | undefined {
  const data = packetData(packet);
  const read = <T>(codec: Codec<T, never>): T => decodePrefix(codec, data).value;
  const kind = packetName(packet);
  switch (kind) {
    case 'ping': {
      const { from, to, expiration, enrSeq } = read(CODECS.ping);
      return { kind, from: toEndpoint(from), to: toEndpoint(to), expiration, enrSeq: toSequence(enrSeq) };
    }
    case 'pong': {
      const { to, pingHash, expiration, enrSeq } = read(CODECS.pong);
      return { kind, to: toEndpoint(to), pingHash, expiration, enrSeq: toSequence(enrSeq) };
    }
    case 'findNode':
      return { kind, ...read(CODECS.findNode) };
    case 'neighbors': {
      const { nodes, expiration } = read(CODECS.neighbors);
      return { kind, nodes: toNeighbors(nodes), expiration };
    }
    case 'enrRequest':
      return { kind, ...read(CODECS.enrRequest) };
    case 'enrResponse': {
      const { requestHash, record } = read(CODECS.enrResponse);
      return { kind, requestHash, record: record.encoded };
    }
    case undefined:
      return undefined;
  }
}

/** Type and data: what is signed. */
export function encodeMessage(message: Message): Uint8Array {
  const type = TYPES[message.kind];
  switch (message.kind) {
    case 'ping': {
      const { from, to, expiration, enrSeq } = message;
      const fields = { from: fromEndpoint(from), to: fromEndpoint(to), expiration };
      return encodeBehind(type, pingOut, { version: PROTOCOL_VERSION, ...fields, enrSeq });
    }
    case 'pong': {
      const { to, pingHash, expiration, enrSeq } = message;
      return encodeBehind(type, pongOut, { to: fromEndpoint(to), pingHash, expiration, enrSeq });
    }
    case 'findNode':
      return encodeBehind(type, CODECS.findNode, message);
    case 'neighbors': {
      const nodes = message.nodes.map(fromNeighbor);
      return encodeBehind(type, neighborsOut, { nodes, expiration: message.expiration });
    }
    case 'enrRequest':
      return encodeBehind(type, CODECS.enrRequest, message);
    case 'enrResponse': {
      const { requestHash, record } = message;
      return encodeBehind(type, responseOut, { requestHash, record: decode(raw, record) });
    }
  }
}

const TYPES = {
  ping: Uint8Array.of(PACKET_TYPE.ping),
  pong: Uint8Array.of(PACKET_TYPE.pong),
  findNode: Uint8Array.of(PACKET_TYPE.findNode),
  neighbors: Uint8Array.of(PACKET_TYPE.neighbors),
  enrRequest: Uint8Array.of(PACKET_TYPE.enrRequest),
  enrResponse: Uint8Array.of(PACKET_TYPE.enrResponse),
};

const enrSeq = optional(sequence);
const pingOut = struct({ version: uint(8), from: endpoint, to: endpoint, expiration, enrSeq });
const pongOut = struct({ to: endpoint, pingHash: hash, expiration, enrSeq });
const neighborsOut = struct({ nodes: list(neighbor, { max: MAX_NEIGHBORS }), expiration });
const responseOut = struct({ requestHash: hash, record: raw });

interface EndpointFields {
  readonly address: Uint8Array;
  readonly udpPort: number;
  readonly tcpPort: number;
}

function toEndpoint({ address, udpPort, tcpPort }: EndpointFields): WireEndpoint {
  return { ip: addressText(address), udpPort, tcpPort };
}

function fromEndpoint({ ip, udpPort, tcpPort }: WireEndpoint): EndpointFields {
  return { address: addressBytes(ip ?? '0.0.0.0'), udpPort, tcpPort };
}

function fromNeighbor({
  ip,
  udpPort,
  tcpPort,
  publicKey,
}: Neighbor): EndpointFields & { publicKey: Uint8Array } {
  return { address: addressBytes(ip ?? '0.0.0.0'), udpPort, tcpPort, publicKey };
}

function toSequence(item: RlpItem | undefined): bigint | undefined {
  return item === undefined ? undefined : unlessError(() => decode(sequence, item.encoded));
}

/** Entries that are none are left out; the others are as good as they were. */
function toNeighbors(nodes: Iterable<RlpItem>): Neighbor[] {
  const neighbors: Neighbor[] = [];
  let left = MAX_ENTRIES;
  for (const item of nodes) {
    if (left-- <= 0) break;
    // Of hundreds of bytes that are no entries, each would cost an exception.
    if (item.encoded.length <= PUBLIC_KEY_LENGTH) continue;
    const fields = unlessError(() => decode(neighbor, item.encoded));
    // The key outlives the packet.
    if (fields !== undefined) neighbors.push({ ...toEndpoint(fields), publicKey: fields.publicKey.slice() });
  }
  return neighbors;
}
