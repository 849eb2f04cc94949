import type { PeerlaneError } from '../base/errors.ts';
import { bindUdp, type UdpEvents, type UdpOptions, type UdpSocket } from '../io/udp.ts';

/** One of those who use a socket. */
export interface UdpMember {
  /** Takes a datagram, which is its own if it is one of its protocol. */
  message(bytes: Uint8Array, ip: string, port: number): boolean;
  failed(error: PeerlaneError): void;
}

/**
 * A UDP socket for both versions of discovery: given to two services as `listen`, it is bound by the one that starts first, and
 * closed by the one that closes last. A datagram goes to the first that says it is its own; version 5 is asked first, as a look at
 * the header is less work than the hash of version 4.
 *
 * ```js
 * const listen = new SharedUdp({ host: '127.0.0.1', port: 0 });
 * const [v4, v5] = [new Discv4Service({ key, listen }), new Discv5Service({ key, listen })];
 * ```
 */
export class SharedUdp implements UdpOptions {
  readonly host: string;
  readonly #port: number;
  readonly #members: UdpMember[] = [];
  #binding: Promise<UdpSocket> | undefined;
  #socket: UdpSocket | undefined;

  constructor({ host, port }: UdpOptions) {
    this.host = host;
    this.#port = port;
  }

  /** The port in use or, before the start, the one that was asked for. */
  get port(): number {
    return this.#socket?.port ?? this.#port;
  }

  /** @internal */
  async join(member: UdpMember, isFirst: boolean): Promise<UdpSocket> {
    this.#members[isFirst ? 'unshift' : 'push'](member);
    try {
      this.#binding ??= this.#bind();
      return new Membership(await this.#binding, () => this.#leave(member));
    } catch (error) {
      await this.#leave(member);
      throw error;
    }
  }

  async #bind(): Promise<UdpSocket> {
    const { host } = this;
    const socket = await bindUdp({ host, port: this.#port }, this.#events());
    this.#socket = socket;
    return socket;
  }

  #events(): UdpEvents {
    return {
      message: (bytes, ip, port) => {
        for (const member of this.#members) if (member.message(bytes, ip, port)) return;
      },
      failed: (error) => {
        for (const member of this.#members) member.failed(error);
      },
    };
  }

  async #leave(member: UdpMember): Promise<void> {
    const at = this.#members.indexOf(member);
    if (at < 0) return;
    this.#members.splice(at, 1);
    if (this.#members.length > 0) return;
    const binding = this.#binding;
    this.#binding = undefined;
    this.#socket = undefined;
    // One that could not be bound has told whoever wanted it.
    await (await binding?.catch(() => undefined))?.close();
  }
}

/** The part that one member has of the socket. */
class Membership implements UdpSocket {
  readonly #socket: UdpSocket;
  readonly #leave: () => Promise<void>;
  #left: Promise<void> | undefined;

  constructor(socket: UdpSocket, leave: () => Promise<void>) {
    this.#socket = socket;
    this.#leave = leave;
  }

  get host(): string {
    return this.#socket.host;
  }

  get port(): number {
    return this.#socket.port;
  }

  send(bytes: Uint8Array, ip: string, port: number): void {
    if (this.#left === undefined) this.#socket.send(bytes, ip, port);
  }

  close(): Promise<void> {
    this.#left ??= this.#leave();
    return this.#left;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** The socket of a service, its own or a share of one. @throws PeerlaneError `port-in-use`, `listen-failed`, `invalid-argument` */
export async function openUdp(listen: UdpOptions, member: UdpMember, isFirst: boolean): Promise<UdpSocket> {
  if (listen instanceof SharedUdp) return await listen.join(member, isFirst);
  return await bindUdp(listen, {
    message: (bytes, ip, port) => void member.message(bytes, ip, port),
    failed: (error) => member.failed(error),
  });
}
