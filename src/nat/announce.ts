/** What a router tells all hosts of its network unasked: that it has begun anew, or has got another address. */
import { formatIp } from '../base/ip.ts';
import { MAX_PCP_SIZE } from './pcp.ts';

/** Where it is told, by PCP (RFC 6887, section 14.1) and NAT-PMP (RFC 6886, section 3.2.1) alike. */
export const ANNOUNCE_GROUP = '224.0.0.1';
/** By PCP over IPv6. */
export const ANNOUNCE_GROUP6 = 'ff02::1';
export const ANNOUNCE_PORT = 5350;

const PCP_VERSION = 2;
const PCP_HEADER_LENGTH = 24;
const PMP_VERSION = 0;
const PMP_LENGTH = 12;
/** The opcode is 0 in both: ANNOUNCE of PCP, the external address of NAT-PMP. */
const RESPONSE_0 = 0x80;

export interface Announcement {
  /** Seconds since the router lost its mappings last. */
  readonly epoch: number;
  /** Canonical text of the address that it says it has outside, if it does: to be compared, not believed. */
  readonly externalIp: string | undefined;
}

/** `undefined` for a packet that is none. */
export function decodeAnnouncement(packet: Uint8Array): Announcement | undefined {
  if (packet.length > MAX_PCP_SIZE || packet[1] !== RESPONSE_0) return undefined;
  const view = new DataView(packet.buffer, packet.byteOffset, packet.length);
  if (packet[0] === PCP_VERSION && packet.length >= PCP_HEADER_LENGTH && packet[3] === 0) {
    return { epoch: view.getUint32(8), externalIp: undefined };
  }
  if (packet[0] === PMP_VERSION && packet.length >= PMP_LENGTH && view.getUint16(2) === 0) {
    return { epoch: view.getUint32(4), externalIp: formatIp(packet.subarray(8, PMP_LENGTH)) };
  }
  return undefined;
}
