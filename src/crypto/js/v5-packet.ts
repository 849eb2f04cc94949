/** Packets of discovery v5 (discv5-wire.md, "Packet Encoding"). */
import { GCM_TAG_LENGTH } from '../backend.ts';
import { aes128Ctr, gcmSeal } from './node.ts';

const IV_LENGTH = 16;
/** Behind masking-iv, protocol-id, version and flag. */
const NONCE_AT = IV_LENGTH + 6 + 2 + 1;
const NONCE_END = NONCE_AT + 12;

/** `head` with the header masked, or unmasked. */
function mask(id: Uint8Array, head: Uint8Array): Uint8Array {
  return aes128Ctr(id.subarray(0, 16), head.subarray(0, IV_LENGTH), head.subarray(IV_LENGTH));
}

export function sealPacket(
  destId: Uint8Array,
  key: Uint8Array,
  head: Uint8Array,
  plaintext: Uint8Array,
): Uint8Array {
  const packet = new Uint8Array(head.length + plaintext.length + GCM_TAG_LENGTH);
  packet.set(head.subarray(0, IV_LENGTH));
  packet.set(mask(destId, head), IV_LENGTH);
  packet.set(gcmSeal(key, head.subarray(NONCE_AT, NONCE_END), plaintext, head), head.length);
  return packet;
}

export function unmask(localId: Uint8Array, packet: Uint8Array, end: number): Uint8Array {
  const head = new Uint8Array(packet.subarray(0, end));
  head.set(mask(localId, head), IV_LENGTH);
  return head;
}
