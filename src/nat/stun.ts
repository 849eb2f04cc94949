/** STUN (RFC 8489): the Binding request, which asks a server of the internet where it comes from. */
import { equalBytes } from '../base/bytes.ts';
import { formatIp } from '../base/ip.ts';
import { isGlobal } from '../base/ip-class.ts';
import { lie, refused } from './mapping.ts';

/** Longer answers are not read: one has a few attributes. */
export const MAX_STUN_SIZE = 1500;
/** Bytes of the transaction id, which are drawn by chance. */
export const STUN_ID_LENGTH = 12;

const HEADER_LENGTH = 20;
const REQUEST = 0x0001;
const SUCCESS = 0x0101;
const FAILURE = 0x0111;
const COOKIE = Uint8Array.of(0x21, 0x12, 0xa4, 0x42);
const MAPPED_ADDRESS = 0x0001;
const XOR_MAPPED_ADDRESS = 0x0020;
const LENGTHS: Readonly<Record<number, number>> = { 1: 4, 2: 16 };

export interface StunEndpoint {
  /** Canonical text. */
  readonly ip: string;
  readonly port: number;
}

/** @param id `STUN_ID_LENGTH` bytes */
export function encodeStunRequest(id: Uint8Array): Uint8Array {
  const packet = new Uint8Array(HEADER_LENGTH);
  new DataView(packet.buffer).setUint16(0, REQUEST);
  packet.set(COOKIE, 4);
  packet.set(id, 8);
  return packet;
}

/**
 * Where the server sees the request with that id; `undefined` for a packet that is no answer to it.
 * @throws PeerlaneError `nat-refused` when it answers with an error; `nat-lie` for an endpoint of no host
 */
export function decodeStunAnswer(packet: Uint8Array, id: Uint8Array): StunEndpoint | undefined {
  if (packet.length < HEADER_LENGTH || packet.length > MAX_STUN_SIZE) return undefined;
  if (!equalBytes(packet.subarray(4, 8), COOKIE) || !equalBytes(packet.subarray(8, 20), id)) return undefined;
  const view = new DataView(packet.buffer, packet.byteOffset, packet.length);
  const [type, length] = [view.getUint16(0), view.getUint16(2)];
  if (length % 4 !== 0 || HEADER_LENGTH + length !== packet.length) return undefined;
  if (type === FAILURE) throw refused('the STUN server answers with an error');
  if (type !== SUCCESS) return undefined;
  const endpoint = endpointIn(packet, view);
  if (endpoint === undefined) return undefined;
  const { address, port } = endpoint;
  const ip = formatIp(address);
  if (port === 0 || !isGlobal(address))
    throw lie(`the endpoint ${ip}:${port} by STUN, where nobody reaches a host`);
  return { ip, port };
}

interface Found {
  readonly address: Uint8Array;
  readonly port: number;
}

/** The first XOR-MAPPED-ADDRESS, or a MAPPED-ADDRESS where there is none (section 14.1). */
function endpointIn(packet: Uint8Array, view: DataView): Found | undefined {
  let plain: Found | undefined;
  for (let at = HEADER_LENGTH; at + 4 <= packet.length; ) {
    const [type, length] = [view.getUint16(at), view.getUint16(at + 2)];
    const value = packet.subarray(at + 4, at + 4 + length);
    if (value.length < length) return undefined;
    if (type === XOR_MAPPED_ADDRESS) return endpointOf(value, packet.subarray(4, HEADER_LENGTH));
    if (type === MAPPED_ADDRESS) plain ??= endpointOf(value, new Uint8Array(16));
    at += 4 + Math.ceil(length / 4) * 4;
  }
  return plain;
}

/** @param mask what the address and the port are XORed with (section 14.2) */
function endpointOf(value: Uint8Array, mask: Uint8Array): Found | undefined {
  const length = LENGTHS[value[1] ?? 0];
  if (length === undefined || value.length !== 4 + length) return undefined;
  const masked = (at: number, of: number): number => (value[at] ?? 0) ^ (mask[of] ?? 0);
  return {
    port: (masked(2, 0) << 8) | masked(3, 1),
    address: Uint8Array.from({ length }, (_, i) => masked(4 + i, i)),
  };
}
