/** UDP for discovery: the only place that knows of datagram sockets. */
import { createSocket, type Socket } from 'node:dgram';
import { isIPv4, isIPv6 } from 'node:net';
import { PeerlaneError } from '../base/errors.ts';
import { withoutZone } from '../base/ip.ts';

/** What a socket reports. */
export interface UdpEvents {
  /** The bytes belong to the receiver. An IPv4 address is never inside an IPv6 address. */
  message(bytes: Uint8Array, ip: string, port: number): void;
  /** The system reports an error of the socket, which stays open and may go on to work; it may come again. */
  failed(error: PeerlaneError): void;
}

export interface UdpSocket extends AsyncDisposable {
  readonly host: string;
  /** The port in use, also when 0 was asked for. */
  readonly port: number;
  /** Sends a datagram, if there is room and a way for it: like the network, it does not say so if not. */
  send(bytes: Uint8Array, ip: string, port: number): void;
  /** Resolves when nothing more will come. May be called twice. */
  close(): Promise<void>;
}

export interface UdpOptions {
  /** An IP address; `::` takes IPv4 too. */
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
}

export interface BindUdpOptions extends UdpOptions {
  /** `::` leaves IPv4 to another socket. */
  readonly isIpv6Only?: boolean;
  /** Takes what is sent to that group, too, as far as the system joins it, on a port that others may share. */
  readonly group?: string | undefined;
}

/** Asked of the system for either direction, in bytes: between two turns of the event loop packets wait there. */
const SOCKET_BUFFER_SIZE = 1024 * 1024;
/** Bytes that may wait to be sent; what is beyond that is dropped. */
const MAX_SEND_QUEUE = 1024 * 1024;
const MAPPED_PREFIX = '::ffff:';

class BoundSocket implements UdpSocket {
  readonly host: string;
  readonly port: number;
  readonly #socket: Socket;
  readonly #isIpv6: boolean;
  #closing: Promise<void> | undefined;

  constructor(socket: Socket, host: string) {
    this.host = host;
    this.port = socket.address().port;
    this.#socket = socket;
    this.#isIpv6 = isIPv6(host);
  }

  send(bytes: Uint8Array, ip: string, port: number): void {
    if (this.#closing !== undefined || this.#socket.getSendQueueSize() > MAX_SEND_QUEUE) return;
    const isIpv4 = isIPv4(ip);
    // A socket of IPv4 reaches no IPv6 address.
    if (!isIpv4 && !this.#isIpv6) return;
    this.#socket.send(bytes, port, isIpv4 && this.#isIpv6 ? MAPPED_PREFIX + ip : ip, ignored);
  }

  close(): Promise<void> {
    this.#closing ??= new Promise((resolve) => void this.#socket.close(() => resolve()));
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** That a host is unreachable is no fault of the socket. */
function ignored(): void {
  // Without a callback the socket would report it as its own error.
}

/**
 * Binds a socket.
 * @throws PeerlaneError `invalid-argument`, `port-in-use`, `listen-failed`
 */
export function bindUdp(
  { host, port, isIpv6Only = false, group }: BindUdpOptions,
  events: UdpEvents,
): Promise<UdpSocket> {
  return new Promise((resolve, reject) => {
    if (!isIPv4(host) && !isIPv6(host)) {
      reject(new PeerlaneError('invalid-argument', 'a UDP socket is bound to an IP address'));
      return;
    }
    const type = isIPv6(host) ? 'udp6' : 'udp4';
    const family = type === 'udp6' ? 6 : 4;
    // Addresses need no resolver, which would take a turn of the event loop for each datagram.
    const socket = createSocket({
      type,
      ipv6Only: isIpv6Only,
      reuseAddr: group !== undefined,
      lookup: (address, _, found) => found(null, address, family),
    });
    const failed = (cause: NodeJS.ErrnoException) => {
      const inUse = cause.code === 'EADDRINUSE';
      const message = inUse
        ? `UDP port ${host}:${port} is in use`
        : `cannot listen on UDP ${host}:${port}: ${cause.message}`;
      socket.close();
      reject(new PeerlaneError(inUse ? 'port-in-use' : 'listen-failed', message, { cause }));
    };
    socket.once('error', failed);
    socket.bind({ address: host, port, exclusive: true }, () => {
      socket.off('error', failed);
      socket.on('error', (cause) =>
        events.failed(new PeerlaneError('listen-failed', cause.message, { cause })),
      );
      socket.on('message', (bytes, { address, port }) => events.message(bytes, unmapped(address), port));
      // Without a way to the group; of that of all hosts (RFC 1112, section 4) this machine is a member all the same.
      if (group !== undefined) asFarAsAllowed(() => socket.addMembership(group));
      // Systems that refuse a size, rather than give less, keep their own.
      asFarAsAllowed(() => {
        socket.setRecvBufferSize(SOCKET_BUFFER_SIZE);
        socket.setSendBufferSize(SOCKET_BUFFER_SIZE);
      });
      resolve(new BoundSocket(socket, host));
    });
  });
}

/** The socket is of use also where the system refuses this. */
function asFarAsAllowed(set: () => void): void {
  try {
    set();
  } catch {
    // The caller says why nothing is missing then.
  }
}

/** A zone names an interface of this machine, not a part of the remote address. */
function unmapped(address: string): string {
  const bare = withoutZone(address);
  return bare.startsWith(MAPPED_PREFIX) && bare.includes('.') ? bare.slice(MAPPED_PREFIX.length) : bare;
}
