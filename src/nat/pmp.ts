/** NAT Port Mapping Protocol (RFC 6886). */
import {
  believedAddress,
  believedPort,
  type MappedProtocol,
  noAddress,
  refused,
  type WantedMapping,
} from './mapping.ts';

const VERSION = 0;
const ADDRESS = 0;
const OPCODES: Readonly<Record<MappedProtocol, number>> = { udp: 1, tcp: 2 };
const RESPONSE = 0x80;
const ADDRESS_LENGTH = 12;
const MAP_LENGTH = 16;

/** Result codes (section 3.5). */
const RESULTS: Readonly<Record<number, string>> = {
  1: 'it does not know this version',
  2: 'it is not allowed',
  3: 'its network does not work',
  4: 'it has no room',
  5: 'it does not know the opcode',
};

const NETWORK_FAILURE = 3;

/** Asks for the external address (section 3.2). */
export function encodePmpAddress(): Uint8Array {
  return Uint8Array.of(VERSION, ADDRESS);
}

/** @param lifetime of the mapping in seconds; 0 takes it back (section 3.4) */
export function encodePmpMap({ protocol, ...wanted }: WantedMapping, lifetime: number): Uint8Array {
  const packet = new Uint8Array(12);
  const view = new DataView(packet.buffer);
  packet[0] = VERSION;
  packet[1] = OPCODES[protocol];
  view.setUint16(4, wanted.internalPort);
  view.setUint16(6, lifetime === 0 ? 0 : wanted.externalPort);
  view.setUint32(8, lifetime);
  return packet;
}

/**
 * The external address that an answer names; `undefined` for a packet that is none.
 * @throws PeerlaneError `nat-refused`; `nat-carrier-grade` when the router has none; what `believedAddress` throws
 */
export function decodePmpAddress(packet: Uint8Array): string | undefined {
  if (!isAnswer(packet, ADDRESS)) return undefined;
  if (packet[2] === 0 && packet[3] === NETWORK_FAILURE) throw noAddress();
  requireGranted(packet);
  if (packet.length < ADDRESS_LENGTH) return undefined;
  return believedAddress(packet.subarray(8, ADDRESS_LENGTH));
}

/** Seconds, as in `GrantedMapping`. */
export interface PmpMapped {
  readonly externalPort: number;
  readonly lifetime: number;
  readonly epoch: number;
}

/**
 * What an answer to `encodePmpMap(wanted)` says; `undefined` for a packet that is none.
 * @throws PeerlaneError `nat-refused`; what `believedPort` throws
 */
export function decodePmpMap(packet: Uint8Array, wanted: WantedMapping): PmpMapped | undefined {
  if (!isAnswer(packet, OPCODES[wanted.protocol])) return undefined;
  const view = new DataView(packet.buffer, packet.byteOffset, packet.length);
  // A refusal may be as short as its code, or name the port: of another mapping it is none.
  if (packet.length >= 10 && view.getUint16(8) !== wanted.internalPort) return undefined;
  requireGranted(packet);
  if (packet.length < MAP_LENGTH) return undefined;
  const lifetime = view.getUint32(12);
  if (lifetime === 0) throw refused('the router grants the mapping for no time at all');
  return { externalPort: believedPort(view.getUint16(10)), lifetime, epoch: view.getUint32(4) };
}

function isAnswer(packet: Uint8Array, opcode: number): boolean {
  return packet.length >= 4 && packet[0] === VERSION && packet[1] === (RESPONSE | opcode);
}

function requireGranted(packet: Uint8Array): void {
  const result = ((packet[2] ?? 0) << 8) | (packet[3] ?? 0);
  if (result === 0) return;
  throw refused(`the router refuses the mapping by NAT-PMP: ${RESULTS[result] ?? `code ${result}`}`);
}
