/** Packets of discovery v5 (discv5-wire.md, "Packet Encoding"). */
import { GCM_TAG_LENGTH } from '../backend.ts';
import { PacketMemory } from '../packet-memory.ts';
import { aes128CtrTo, gcmSealTo } from './node.ts';

const IV_LENGTH = 16;
/** Behind masking-iv, protocol-id, version and flag. */
const NONCE_AT = IV_LENGTH + 6 + 2 + 1;
const NONCE_END = NONCE_AT + 12;

const packets = new PacketMemory();

/** Writes `head` with the header masked, or unmasked. */
function mask(id: Uint8Array, head: Uint8Array, out: Uint8Array): void {
  const iv = head.subarray(0, IV_LENGTH);
  out.set(iv);
  aes128CtrTo(out.subarray(IV_LENGTH), id.subarray(0, 16), iv, head.subarray(IV_LENGTH));
}

export function sealPacket(
  destId: Uint8Array,
  key: Uint8Array,
  head: Uint8Array,
  plaintext: Uint8Array,
): Uint8Array {
  const packet = packets.take(head.length + plaintext.length + GCM_TAG_LENGTH);
  mask(destId, head, packet);
  gcmSealTo(packet.subarray(head.length), key, head.subarray(NONCE_AT, NONCE_END), plaintext, head);
  return packet;
}

export function unmask(localId: Uint8Array, packet: Uint8Array, end: number): Uint8Array {
  const head = new Uint8Array(end);
  mask(localId, packet.subarray(0, end), head);
  return head;
}
