import { invalidArgument, reading } from '../base/checks.ts';
import type { PeerlaneError } from '../base/errors.ts';
import type { Endpoint } from '../io/tcp.ts';
import type { UdpEvents, UdpOptions } from '../io/udp.ts';
import { checkedListen, reachesFromAny, requireIp } from './listen-endpoints.ts';
import type { AddressRule } from './net-restrict.ts';
import { bindEach, type UdpSockets } from './udp-sockets.ts';

/** One of those who use a socket. */
export interface UdpMember {
  /** To whom datagrams go: of two members alike one would have none. */
  readonly name: string;
  /** Takes a datagram, which is its own if it is one of its protocol. */
  message(bytes: Uint8Array, ip: string, port: number): boolean;
  failed(error: PeerlaneError): void;
}

/** An IP address and a UDP port (0: any free one), or two: one of IPv4 and one of IPv6. */
export type UdpListen = UdpOptions | readonly UdpOptions[];

/**
 * A UDP socket for both versions of discovery, or two, for IPv4 and IPv6: given to two services as `listen`, it is bound by the one
 * that starts first, and closed by the one that closes last. A datagram goes to the first that says it is its own; version 5 is
 * asked first, as a look at the header is less work than the hash of version 4.
 *
 * ```js
 * const listen = new SharedUdp({ host: '127.0.0.1', port: 0 });
 * const [v4, v5] = [new Discv4Service({ key, listen }), new Discv5Service({ key, listen })];
 * ```
 */
export class SharedUdp {
  readonly #listen: readonly UdpOptions[];
  readonly #reaches: AddressRule;
  readonly #members: UdpMember[] = [];
  #binding: Promise<UdpSockets> | undefined;
  #sockets: UdpSockets | undefined;

  /** @throws PeerlaneError `invalid-argument` */
  constructor(listen: UdpListen) {
    this.#listen = reading('listen', () => checkedListen(listen).map(requireIp));
    this.#reaches = reachesFromAny(this.#listen.map(({ host }) => host));
  }

  /** The first address. */
  get host(): string {
    return this.#first.host;
  }

  /** The port in use at the first address or, before the start, the one that was asked for. */
  get port(): number {
    return this.#first.port;
  }

  /** The addresses, with the ports that are in use or, before the start, were asked for. */
  get endpoints(): readonly Endpoint[] {
    return this.#sockets?.endpoints ?? this.#listen;
  }

  get #first(): Endpoint {
    const [first] = this.endpoints;
    if (first === undefined) throw invalidArgument('listen has no address');
    return first;
  }

  /** Whether there is a way to an IP address, by its family. @internal */
  reaches(ip: string): boolean {
    return this.#reaches(ip);
  }

  /** @throws PeerlaneError `invalid-argument`, `port-in-use`, `listen-failed` @internal */
  async join(member: UdpMember, isFirst: boolean): Promise<UdpSockets> {
    if (this.#members.some(({ name }) => name === member.name)) {
      throw invalidArgument(`listen is used by ${member.name} already`);
    }
    this.#members[isFirst ? 'unshift' : 'push'](member);
    try {
      this.#binding ??= this.#bind();
      return new Membership(await this.#binding, () => this.#leave(member));
    } catch (error) {
      await this.#leave(member);
      throw error;
    }
  }

  async #bind(): Promise<UdpSockets> {
    const sockets = await bindEach(this.#listen, this.#events());
    this.#sockets = sockets;
    return sockets;
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
    this.#sockets = undefined;
    // One that could not be bound has told whoever wanted it.
    await (await binding?.catch(() => undefined))?.close();
  }
}

/** The part that one member has of the sockets. */
class Membership implements UdpSockets {
  readonly #sockets: UdpSockets;
  readonly #leave: () => Promise<void>;
  #left: Promise<void> | undefined;

  constructor(sockets: UdpSockets, leave: () => Promise<void>) {
    this.#sockets = sockets;
    this.#leave = leave;
  }

  get endpoints(): readonly Endpoint[] {
    return this.#sockets.endpoints;
  }

  send(bytes: Uint8Array, ip: string, port: number): void {
    if (this.#left === undefined) this.#sockets.send(bytes, ip, port);
  }

  close(): Promise<void> {
    this.#left ??= this.#leave();
    return this.#left;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
