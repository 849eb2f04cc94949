import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket, type Server as TcpServer } from 'node:net';
import { onTestFinished } from 'vitest';
import { formatEnode } from '../../src/enr/index.ts';

const HOST = '127.0.0.1';

/** Where a node listens. */
interface Place {
  readonly tcpPort: number;
  readonly udpPort: number;
}

/** The way to a node, by TCP and UDP, which can be cut: then connections break, and packets are lost. */
export class CutLink {
  readonly #tcp: TcpServer;
  readonly #udp: UdpSocket;
  readonly #ports: Place;
  readonly #open = new Set<Socket>();
  readonly #flows = new Map<number, UdpSocket>();
  #to: Place | undefined;
  /** Connections that were asked for. */
  dials = 0;

  private constructor(tcp: TcpServer, udp: UdpSocket) {
    this.#tcp = tcp;
    this.#udp = udp;
    this.#ports = { tcpPort: (tcp.address() as AddressInfo).port, udpPort: udp.address().port };
    tcp.on('connection', (socket) => this.#relay(socket));
    udp.on('message', (packet, { port }) => this.#pass(packet, port));
  }

  /** A link that leads nowhere yet; it is there until the test ends. */
  static async make(): Promise<CutLink> {
    const tcp = createServer().listen(0, HOST);
    const udp = createSocket('udp4').bind(0, HOST);
    await Promise.all([once(tcp, 'listening'), once(udp, 'listening')]);
    const link = new CutLink(tcp, udp);
    onTestFinished(() => link.#close());
    return link;
  }

  /** The enode URL of a node behind it. */
  enodeOf(publicKey: Uint8Array): string {
    return formatEnode({ publicKey, host: HOST, ...this.#ports });
  }

  leadTo(place: Place): void {
    this.#to = place;
  }

  cut(): void {
    this.#to = undefined;
    for (const socket of this.#open) socket.destroy();
    for (const flow of this.#flows.values()) flow.close();
    this.#flows.clear();
  }

  #close(): void {
    this.cut();
    this.#tcp.close();
    this.#udp.close();
  }

  #relay(socket: Socket): void {
    this.dials++;
    const to = this.#to;
    if (to === undefined) {
      socket.on('error', () => undefined).destroy();
      return;
    }
    const other = connect(to.tcpPort, HOST);
    for (const [one, another] of [
      [socket, other],
      [other, socket],
    ] as const) {
      this.#open.add(one);
      one
        .on('error', () => undefined)
        .on('close', () => {
          this.#open.delete(one);
          another.destroy();
        });
      one.pipe(another);
    }
  }

  #pass(packet: Uint8Array, from: number): void {
    const to = this.#to;
    if (to === undefined) return;
    const known = this.#flows.get(from);
    const flow = known ?? createSocket('udp4');
    if (known === undefined) {
      this.#flows.set(from, flow);
      flow.on('message', (answer) => this.#udp.send(answer, from, HOST));
    }
    flow.send(packet, to.udpPort, HOST);
  }
}
