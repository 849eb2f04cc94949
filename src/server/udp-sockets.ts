/** The UDP sockets of a node: one, or one for each family of addresses. */
import { allOpen } from '../base/all-open.ts';
import type { Endpoint } from '../io/tcp.ts';
import { bindUdp, type UdpEvents, type UdpOptions, type UdpSocket } from '../io/udp.ts';
import { oneFamilyEach } from './listen-endpoints.ts';

export interface UdpSockets extends AsyncDisposable {
  /** Where they are bound, in the order that was asked for. */
  readonly endpoints: readonly Endpoint[];
  /** As `UdpSocket.send`, by the socket that reaches the address. */
  send(bytes: Uint8Array, ip: string, port: number): void;
  close(): Promise<void>;
}

const isIpv6 = ({ host }: UdpOptions): boolean => host.includes(':');

class BoundSockets implements UdpSockets {
  readonly endpoints: readonly Endpoint[];
  readonly #all: readonly UdpSocket[];
  readonly #ofIpv4: UdpSocket | undefined;
  readonly #ofIpv6: UdpSocket | undefined;

  constructor(sockets: readonly UdpSocket[]) {
    const ofIpv6 = sockets.find(isIpv6);
    this.endpoints = sockets.map(({ host, port }) => ({ host, port }));
    this.#all = sockets;
    this.#ofIpv6 = ofIpv6;
    // `::` alone is of both.
    this.#ofIpv4 = sockets.find((socket) => socket !== ofIpv6) ?? ofIpv6;
  }

  send(bytes: Uint8Array, ip: string, port: number): void {
    const socket = ip.includes(':') ? this.#ofIpv6 : this.#ofIpv4;
    socket?.send(bytes, ip, port);
  }

  async close(): Promise<void> {
    await Promise.all(this.#all.map((socket) => socket.close()));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/**
 * Binds a socket, or two of different families; none stays open when one fails.
 * @throws PeerlaneError as `bindUdp`
 */
export async function bindEach(listen: readonly UdpOptions[], events: UdpEvents): Promise<UdpSockets> {
  return new BoundSockets(await allOpen(oneFamilyEach(listen).map((at) => bindUdp(at, events))));
}
