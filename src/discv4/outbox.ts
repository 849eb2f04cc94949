import type { UdpEndpoint } from './address.ts';
import { encodeMessage, type Message } from './messages.ts';
import { HEAD_LENGTH, type PacketCrypto, type PacketName, packetName } from './packet.ts';

interface Outgoing {
  readonly content: Uint8Array;
  readonly to: UdpEndpoint;
  readonly sealed: ((packet: Uint8Array) => void) | undefined;
}

/** Packets that leave together, so that they are signed together. */
export class Outbox {
  readonly #crypto: PacketCrypto;
  readonly #send: (packet: Uint8Array, to: UdpEndpoint) => void;
  #packets: Outgoing[] = [];
  /** Packets and bytes so far. */
  packets = 0;
  bytes = 0;
  /** Packets of each type. */
  readonly packetsOf: Record<PacketName, number> = noneOfEach();

  constructor(crypto: PacketCrypto, send: (packet: Uint8Array, to: UdpEndpoint) => void) {
    this.#crypto = crypto;
    this.#send = send;
  }

  /** @param sealed told of the packet when it is signed, before it leaves */
  put(message: Message, to: UdpEndpoint, sealed?: (packet: Uint8Array) => void): void {
    this.putContent(encodeMessage(message), to, sealed);
  }

  putContent(content: Uint8Array, to: UdpEndpoint, sealed?: (packet: Uint8Array) => void): void {
    this.#packets.push({ content, to, sealed });
  }

  flush(): void {
    if (this.#packets.length === 0) return;
    const packets = this.#packets;
    this.#packets = [];
    const signed = this.#crypto.seal(packets.map(({ content }) => content));
    for (const [i, { to, sealed }] of packets.entries()) {
      const packet = signed[i];
      if (packet === undefined) continue;
      sealed?.(packet);
      this.packets++;
      const name = packetName(packet);
      if (name !== undefined) this.packetsOf[name]++;
      this.bytes += packet.length;
      this.#send(packet, to);
    }
  }
}

/** The size of the packet that will be made of type and data. */
export function packetSize(content: Uint8Array): number {
  return HEAD_LENGTH + content.length;
}

function noneOfEach(): Record<PacketName, number> {
  return { ping: 0, pong: 0, findNode: 0, neighbors: 0, enrRequest: 0, enrResponse: 0 };
}
