import { concatBytes } from '../../src/base/bytes.ts';
import { PUBLIC_KEY_LENGTH } from '../../src/crypto/index.ts';
import { type PacketCrypto, withHash } from '../../src/discv4/index.ts';

/** Where the signature of a packet begins, and what it signs. */
const SIGNATURE_AT = 32;
const SIGNED_AT = SIGNATURE_AT + PUBLIC_KEY_LENGTH + 1;

/**
 * In place of a signature the key itself and a checksum of it and of the packet's length, which are as long as a
 * signature: it costs next to nothing, and anybody can make one. The packet's hash tells whether it has been changed.
 */
export function cheapCrypto(publicKey: Uint8Array): PacketCrypto {
  return {
    open: (packets) =>
      packets.map((packet) => {
        const key = packet.slice(SIGNATURE_AT, SIGNED_AT - 1);
        return checksum(key, packet.length) === packet[SIGNED_AT - 1] ? key : undefined;
      }),
    seal: (contents) =>
      contents.map((content) => {
        const sum = checksum(publicKey, SIGNED_AT + content.length);
        return withHash(concatBytes(publicKey, Uint8Array.of(sum)), content);
      }),
  };
}

/** FNV-1a over the beginning of the key and the length, folded to a byte. */
function checksum(key: Uint8Array, length: number): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < 8; i++) hash = Math.imul(hash ^ (key[i] ?? 0), 0x01000193);
  hash = Math.imul(hash ^ length, 0x01000193);
  return (hash ^ (hash >>> 8) ^ (hash >>> 16) ^ (hash >>> 24)) & 0xff;
}
