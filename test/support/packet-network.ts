/** A network of machines in one process with a virtual clock, joined by links that have delay and loss. */
import { VirtualEnv } from '../../src/base/virtual-env.ts';
import type { UdpEndpoint } from '../../src/kad/index.ts';

export interface SentPacket {
  readonly packet: Uint8Array;
  readonly from: UdpEndpoint;
  readonly to: UdpEndpoint;
}

/** Somebody with an address. */
interface Host {
  receive(packet: Uint8Array, from: UdpEndpoint): void;
}

export class Network {
  readonly env: VirtualEnv;
  /** All that was sent, when it is wanted. */
  readonly log: SentPacket[] | undefined;
  lossRate = 0;
  delayMs = 20;
  /** Packets for which it answers true are lost. */
  loses: (sent: SentPacket) => boolean = () => false;
  readonly #hosts = new Map<string, Host>();

  constructor({ seed = 1, log = false }: { seed?: number; log?: boolean } = {}) {
    // Not at zero: a Unix time of zero leaves no room for a time before it.
    this.env = new VirtualEnv({ now: 1_700_000_000_000, seed });
    this.log = log ? [] : undefined;
  }

  attach({ ip, port }: UdpEndpoint, host: Host): void {
    this.#hosts.set(`${ip} ${port}`, host);
  }

  detach({ ip, port }: UdpEndpoint): void {
    this.#hosts.delete(`${ip} ${port}`);
  }

  send(packet: Uint8Array, from: UdpEndpoint, to: UdpEndpoint): void {
    this.log?.push({ packet, from, to });
    if (this.loses({ packet, from, to })) return;
    if (this.lossRate > 0 && (this.env.randomBytes(1)[0] ?? 0) < 256 * this.lossRate) return;
    const { ip, port } = to;
    // A copy, as the other side may write into what it gets.
    this.env.setTimer(this.delayMs, () => this.#hosts.get(`${ip} ${port}`)?.receive(packet.slice(), from));
  }
}

let nextHost = 0;

/** An address of its own, each in another /24. */
export function freshEndpoint(): UdpEndpoint {
  nextHost++;
  return { ip: `${20 + (nextHost >> 16)}.${(nextHost >> 8) & 255}.${nextHost & 255}.1`, port: 30303 };
}
