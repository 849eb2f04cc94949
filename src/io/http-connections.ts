/** Which connections of a small HTTP server stay when more come than it has room for. */
import type { Socket } from 'node:net';
import { toHex } from '../base/bytes.ts';
import { parseIp } from '../base/ip.ts';

/** Of an IPv6 address, what one host or one line has: it may take any of those (RFC 4291, section 2.5.1). */
const IPV6_NETWORK_LENGTH = 8;

export interface HttpConnection {
  /** Requests that have no answer yet. */
  waiting: number;
  /** Resolves when all that came so far has been answered. */
  last: Promise<void>;
}

interface Held extends HttpConnection {
  readonly network: string;
}

/**
 * The connections of a server, at most `max` of them. A newcomer always gets in, for who has something to ask asks at once: of
 * the address that has the most, one without a request goes before those with one, and then the one that has been so for the
 * longest time. So whoever holds many cannot keep others out, or have them put out.
 */
export class HttpConnections {
  readonly #max: number;
  /** In the order in which a request of theirs has last begun or ended, or they have come. */
  readonly #held = new Map<Socket, Held>();

  constructor(max: number) {
    this.#max = max;
  }

  add(socket: Socket): void {
    const network = networkOf(socket.remoteAddress);
    this.#held.set(socket, { network, waiting: 0, last: Promise.resolve() });
    socket.once('close', () => this.#held.delete(socket));
    if (this.#held.size > this.#max) this.#makeRoom(socket);
  }

  /** A request has come; `undefined` when the connection is gone. */
  began(socket: Socket): HttpConnection | undefined {
    return this.#moved(socket, 1);
  }

  /** It has been answered, or cannot be. */
  ended(socket: Socket): void {
    this.#moved(socket, -1);
  }

  #moved(socket: Socket, by: 1 | -1): Held | undefined {
    const held = this.#held.get(socket);
    if (held === undefined) return undefined;
    held.waiting += by;
    this.#held.delete(socket);
    this.#held.set(socket, held);
    return held;
  }

  #makeRoom(newcomer: Socket): void {
    const counts = new Map<string, number>();
    for (const { network } of this.#held.values()) counts.set(network, (counts.get(network) ?? 0) + 1);
    let leaves: { readonly socket: Socket; readonly count: number; readonly isIdle: boolean } | undefined;
    for (const [socket, { network, waiting }] of this.#held) {
      const one = { socket, count: counts.get(network) ?? 0, isIdle: waiting === 0 };
      if (socket === newcomer) continue;
      const isRather =
        leaves === undefined ||
        one.count > leaves.count ||
        (one.count === leaves.count && one.isIdle && !leaves.isIdle);
      if (isRather) leaves = one;
    }
    if (leaves === undefined) return;
    this.#held.delete(leaves.socket);
    leaves.socket.destroy();
  }
}

/** Empty where the connection is over already. */
function networkOf(host: string | undefined): string {
  const [text = ''] = (host ?? '').split('%');
  const address = parseIp(text);
  if (address === undefined) return text;
  return toHex(address.length === 4 ? address : address.subarray(0, IPV6_NETWORK_LENGTH));
}
