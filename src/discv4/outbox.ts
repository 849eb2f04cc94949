import type { UdpEndpoint } from '../kad/index.ts';
import { encodeMessage, type Message } from './messages.ts';
import { HEAD_LENGTH, type PacketName, packetName } from './packet.ts';

export interface Outgoing {
  /** Type and data. */
  readonly content: Uint8Array;
  readonly to: UdpEndpoint;
  readonly sealed: ((packet: Uint8Array) => void) | undefined;
}

/** Packets that are to leave, in order, until they are signed. */
export class Outbox {
  readonly #send: (packet: Uint8Array, to: UdpEndpoint) => void;
  #waiting: Outgoing[] = [];
  /** Packets and bytes that have left so far. */
  packets = 0;
  bytes = 0;
  /** Packets of each type. */
  readonly packetsOf: Record<PacketName, number> = noneOfEach();

  constructor(send: (packet: Uint8Array, to: UdpEndpoint) => void) {
    this.#send = send;
  }

  /** Packets that wait. */
  get size(): number {
    return this.#waiting.length;
  }

  /** @param sealed told of the packet when it is signed, before it leaves */
  put(message: Message, to: UdpEndpoint, sealed?: (packet: Uint8Array) => void): void {
    this.putContent(encodeMessage(message), to, sealed);
  }

  putContent(content: Uint8Array, to: UdpEndpoint, sealed?: (packet: Uint8Array) => void): void {
    this.#waiting.push({ content, to, sealed });
  }

  /** At most so many, the oldest ones, to be signed. */
  take(max: number): Outgoing[] {
    if (max >= this.#waiting.length) {
      const all = this.#waiting;
      this.#waiting = [];
      return all;
    }
    return this.#waiting.splice(0, max);
  }

  /** They are signed. */
  send(outgoing: readonly Outgoing[], packets: readonly Uint8Array[]): void {
    for (const [i, { to, sealed }] of outgoing.entries()) {
      const packet = packets[i];
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

/** Counts of packets of each type. */
export function noneOfEach(): Record<PacketName, number> {
  return { ping: 0, pong: 0, findNode: 0, neighbors: 0, enrRequest: 0, enrResponse: 0 };
}
