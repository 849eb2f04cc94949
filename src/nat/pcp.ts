/** Port Control Protocol (RFC 6887): the opcode MAP, over IPv4 for a mapping, and over IPv6 for a pinhole in a firewall. */
import { equalBytes } from '../base/bytes.ts';
import {
  believedAddress,
  believedPinhole,
  believedPort,
  type GrantedMapping,
  PROTOCOL_NUMBERS,
  refused,
  type WantedMapping,
} from './mapping.ts';

/** The port of a router for PCP and NAT-PMP. */
export const PCP_PORT = 5351;
/** Longer than this no packet of PCP is (section 7). */
export const MAX_PCP_SIZE = 1100;

const VERSION = 2;
const MAP = 1;
const RESPONSE = 0x80;
const HEADER_LENGTH = 24;
const MAP_LENGTH = HEADER_LENGTH + 36;
/** How an IPv4 address begins in the 16 bytes that every address has (section 5). */
const IPV4_MAPPED = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff);

/** Result codes (section 7.4). */
const RESULTS: Readonly<Record<number, string>> = {
  1: 'it does not know this version',
  2: 'it is not allowed',
  3: 'the request is malformed',
  4: 'it does not know the opcode',
  5: 'it does not know an option',
  6: 'an option is malformed',
  7: 'its network does not work',
  8: 'it has no room',
  9: 'it does not know the protocol',
  10: 'this machine has too many mappings',
  11: 'it cannot provide the external port',
  12: 'there is another translator on the way to it',
  13: 'there are too many remote peers',
};
const UNSUPPORTED_VERSION = 1;

/**
 * @param clientIp 4 or 16 bytes: the address that the request is sent from, which the router compares (section 8.1)
 * @param lifetime of the mapping in seconds; 0 takes it back
 */
export function encodePcpMap(wanted: WantedMapping, clientIp: Uint8Array, lifetime: number): Uint8Array {
  const packet = new Uint8Array(MAP_LENGTH);
  const view = new DataView(packet.buffer);
  packet[0] = VERSION;
  packet[1] = MAP;
  view.setUint32(4, lifetime);
  if (clientIp.length === 4) packet.set(IPV4_MAPPED, 8);
  packet.set(clientIp, HEADER_LENGTH - clientIp.length);
  packet.set(wanted.nonce, HEADER_LENGTH);
  packet[36] = PROTOCOL_NUMBERS[wanted.protocol];
  view.setUint16(40, wanted.internalPort);
  // All zeros of a family where nothing is suggested (section 11.1); a mapping that is taken back suggests nothing.
  view.setUint16(42, lifetime === 0 ? 0 : wanted.externalPort);
  if (clientIp.length === 4) packet.set(IPV4_MAPPED, 44);
  return packet;
}

export type PcpAnswer =
  | { readonly kind: 'mapped'; readonly granted: GrantedMapping }
  /** The router speaks another version, as a rule NAT-PMP. */
  | { readonly kind: 'other-version' };

/**
 * What an answer to `encodePcpMap(wanted)` says; `undefined` for a packet that is none.
 * @param clientIp as it was asked with; default: an IPv4 address
 * @throws PeerlaneError `nat-refused`; what `believedAddress` and `believedPort`, or `believedPinhole`, throw
 */
export function decodePcpMap(
  packet: Uint8Array,
  wanted: WantedMapping,
  clientIp?: Uint8Array,
): PcpAnswer | undefined {
  if (packet.length < 4 || packet.length > MAX_PCP_SIZE) return undefined;
  // NAT-PMP answers in its own version, 0, with the opcode as it came (RFC 6886, section 3.5).
  if (packet[0] === 0 && ((packet[1] ?? 0) & RESPONSE) !== 0) return { kind: 'other-version' };
  if (packet[0] !== VERSION || packet[1] !== (RESPONSE | MAP)) return undefined;
  if (packet.length < HEADER_LENGTH) return undefined;
  const result = packet[3] ?? 0;
  if (result === UNSUPPORTED_VERSION) return { kind: 'other-version' };
  // What belongs to no request of ours says nothing, good or bad.
  if (!isOf(packet, wanted)) return undefined;
  if (result !== 0)
    throw refused(`the router refuses the mapping by PCP: ${RESULTS[result] ?? `code ${result}`}`);
  const view = new DataView(packet.buffer, packet.byteOffset, packet.length);
  const lifetime = view.getUint32(4);
  if (lifetime === 0) throw refused('the router grants the mapping for no time at all');
  const [address, port] = [packet.subarray(44, 60), view.getUint16(42)];
  const external =
    clientIp?.length === 16
      ? believedPinhole(address, port, clientIp, wanted.internalPort)
      : { externalIp: believedAddress(address), externalPort: believedPort(port) };
  return { kind: 'mapped', granted: { ...external, lifetime, epoch: view.getUint32(8) } };
}

/** Whether an answer is to a request for that mapping (section 11.4). */
function isOf(packet: Uint8Array, { nonce, protocol, internalPort }: WantedMapping): boolean {
  if (packet.length < MAP_LENGTH) return false;
  return (
    equalBytes(packet.subarray(HEADER_LENGTH, 36), nonce) &&
    packet[36] === PROTOCOL_NUMBERS[protocol] &&
    new DataView(packet.buffer, packet.byteOffset, packet.length).getUint16(40) === internalPort
  );
}
