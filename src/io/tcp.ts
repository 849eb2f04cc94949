/** TCP for the server: the only place that knows of sockets. */
import { createConnection, createServer, isIP, type Server as NetServer, type Socket } from 'node:net';
import { abortedError, onAbort } from '../base/abort.ts';
import { PeerlaneError, remoteError } from '../base/errors.ts';
import { fileProblem, systemCode } from '../base/file-problem.ts';
import type { Lease } from '../base/slabs.ts';

/** What a wire reports; set once, before any data can come. */
export interface WireEvents {
  /** The chunk belongs to the receiver. */
  data(chunk: Uint8Array): void;
  /** Something that was written has been handed to the system. */
  drained(): void;
  /** The remote side will send no more: it is for whoever is told to end the wire. */
  ended(): void;
  /** Called once, when nothing more will come or go. */
  closed(error: PeerlaneError): void;
}

/** A byte stream to one remote address. */
export interface Wire {
  readonly remoteAddress: string;
  readonly remotePort: number;
  attach(events: WireEvents): void;
  /** Of leased bytes it says when the system has them, or will not get them. */
  write(bytes: Uint8Array, lease?: Lease): void;
  /** Bytes written and not yet handed to the system. */
  readonly backlog: number;
  /** Bytes handed to the system since the start. */
  readonly flushed: number;
  pause(): void;
  resume(): void;
  /** Closes after what was written has left. */
  end(): void;
  /** Closes at once. */
  destroy(): void;
}

/** Host and TCP port of this or a remote node. */
export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

/** What is given to a socket at once, in bytes: of a write it says only when all of it has gone. */
const PIECE = 128 * 1024;
/** What goes from queues to all sockets in a turn of the event loop, which to copy takes half a millisecond or so. */
const TURN = 1024 * 1024;

/** Shares out what sockets take in a turn: many that are ready for more at once would else keep everything waiting. */
class Pacer {
  #left = TURN;
  #isScheduled = false;
  #waiting = new Set<() => void>();

  /** Whether so many bytes may go in this turn. */
  take(length: number): boolean {
    if (this.#left <= 0) return false;
    this.#left -= length;
    this.#schedule();
    return true;
  }

  /** Calls `run` in another turn. */
  wait(run: () => void): void {
    this.#waiting.add(run);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      this.#left = TURN;
      const waiting = this.#waiting;
      this.#waiting = new Set();
      for (const run of waiting) run();
    });
  }
}

const pacer = new Pacer();

class TcpWire implements Wire {
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly #socket: Socket;
  /** Pieces that wait until the socket has nothing. */
  #pieces: Uint8Array[] = [];
  #piecesLength = 0;
  /** Leases of what the system does not have yet, and what `flushed` is when it does. */
  #leases: { readonly until: number; readonly lease: Lease }[] = [];
  #isEnding = false;
  #error: Error | undefined;
  #events: WireEvents | undefined;

  constructor(socket: Socket) {
    this.#socket = socket;
    this.remoteAddress = unmapped(socket.remoteAddress ?? '');
    this.remotePort = socket.remotePort ?? 0;
    socket.setNoDelay(true);
    socket.on('error', (error) => {
      this.#error = error;
    });
  }

  attach(events: WireEvents): void {
    const socket = this.#socket;
    const closed = () => {
      this.#release(Number.POSITIVE_INFINITY);
      const message = this.#error?.message ?? 'the peer closed the connection';
      events.closed(remoteError('network-error', message, { cause: this.#error }));
    };
    if (socket.destroyed) {
      closed();
      return;
    }
    socket.on('data', (chunk) => events.data(chunk));
    // Sockets are half-open ones, since the last of what has come may still wait to be read.
    socket.on('end', () => events.ended());
    this.#events = events;
    // It comes once; `once` would keep three objects more.
    socket.on('close', closed);
  }

  write(bytes: Uint8Array, lease?: Lease): void {
    if (this.#isEnding || !this.#socket.writable) {
      lease?.release();
      return;
    }
    if (this.backlog === 0 && bytes.length <= PIECE) {
      this.#socket.write(bytes, this.#written);
    } else {
      for (let at = 0; at < bytes.length; at += PIECE) this.#pieces.push(bytes.subarray(at, at + PIECE));
      this.#piecesLength += bytes.length;
      this.#writePieces();
    }
    if (lease === undefined) return;
    if (this.backlog === 0) lease.release();
    else this.#leases.push({ until: this.flushed + this.backlog, lease });
  }

  readonly #written = (): void => {
    this.#writePieces();
    if (this.#leases.length > 0) this.#release(this.flushed);
    this.#events?.drained();
  };

  #release(flushed: number): void {
    const open = this.#leases.findIndex(({ until }) => until > flushed);
    for (const { lease } of this.#leases.splice(0, open < 0 ? this.#leases.length : open)) lease.release();
  }

  /** Gives the socket what waits, while it takes it at once. */
  readonly #writePieces = (): void => {
    const socket = this.#socket;
    while (this.#pieces.length > 0 && socket.writableLength === 0 && socket.writable) {
      const pieces = this.#nextPieces();
      if (pieces === undefined) {
        pacer.wait(this.#writePieces);
        return;
      }
      socket.cork();
      for (const [i, piece] of pieces.entries()) {
        if (i < pieces.length - 1) socket.write(piece);
        else socket.write(piece, this.#written);
      }
      socket.uncork();
    }
    if (this.#isEnding && this.#pieces.length === 0) socket.end();
  };

  /** Small ones together, up to the size of a piece; undefined when others have had their part of this turn. */
  #nextPieces(): Uint8Array[] | undefined {
    let [count, length] = [0, 0];
    for (const piece of this.#pieces) {
      if (count > 0 && length + piece.length > PIECE) break;
      length += piece.length;
      count++;
    }
    if (!pacer.take(length)) return undefined;
    this.#piecesLength -= length;
    return this.#pieces.splice(0, count);
  }

  get backlog(): number {
    return this.#piecesLength + this.#socket.writableLength;
  }

  get flushed(): number {
    return this.#socket.bytesWritten - this.#socket.writableLength;
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  end(): void {
    this.#isEnding = true;
    this.#writePieces();
    // What the remote side still sends is read and dropped, else the system answers it with a reset, which
    // can overtake the Disconnect.
    this.#socket.resume();
  }

  destroy(): void {
    this.#socket.destroy();
  }
}

/** `::ffff:127.0.0.1` is how a dual-stack socket names an IPv4 peer. */
function unmapped(address: string): string {
  return address.startsWith('::ffff:') && address.includes('.') ? address.slice('::ffff:'.length) : address;
}

export interface ConnectOptions {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
  /** Whether to connect to an IP address; default: to any. */
  readonly allows?: (ip: string) => boolean;
}

export const addressRefused = (host: string): PeerlaneError =>
  new PeerlaneError('address-refused', `${host} is in a network that is refused`);

/** That this machine has run out of something says nothing of who was to be reached. */
const SYSTEM_LIMITS: ReadonlySet<string> = new Set(['EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM']);

/**
 * Opens a connection to an IP address; `connectAny` takes names, too.
 * @throws PeerlaneError `dial-failed`, `dial-timeout`, `address-refused`, `aborted`; `system-limit` when this machine has no
 * file or memory left for a connection
 */
export function connectTcp(
  { host, port }: Endpoint,
  { timeoutMs, signal, allows = () => true }: ConnectOptions,
): Promise<Wire> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(abortedError(signal));
      return;
    }
    if (isIP(host) === 0) {
      reject(new PeerlaneError('dial-failed', `${host} is not an IP address`));
      return;
    }
    if (!allows(host)) {
      reject(addressRefused(host));
      return;
    }
    const socket = createConnection({ host, port, noDelay: true, allowHalfOpen: true });
    const settle = () => {
      socket.off('error', failed);
      socket.off('timeout', timedOut);
      socket.setTimeout(0);
      removeAbort();
    };
    const fail = (error: PeerlaneError) => {
      settle();
      socket.on('error', () => undefined);
      socket.destroy();
      reject(error);
    };
    const failed = (cause: Error) => {
      const isLimit = SYSTEM_LIMITS.has(systemCode(cause) ?? '');
      const message = `cannot connect to ${host}:${port}: ${isLimit ? fileProblem(cause) : cause.message}`;
      const code = isLimit ? 'system-limit' : 'dial-failed';
      fail(cause instanceof PeerlaneError ? cause : new PeerlaneError(code, message, { cause }));
    };
    const timedOut = () =>
      fail(new PeerlaneError('dial-timeout', `no connection to ${host}:${port} within ${timeoutMs} ms`));
    const removeAbort = onAbort(signal, () => fail(abortedError(signal)));
    socket.setTimeout(timeoutMs);
    socket.once('timeout', timedOut);
    socket.once('error', failed);
    socket.once('connect', () => {
      settle();
      resolve(new TcpWire(socket));
    });
  });
}

export interface ListenTcpOptions extends Endpoint {
  /** `::` leaves IPv4 to another listener. */
  readonly isIpv6Only?: boolean;
}

/** What listeners report. */
export interface TcpEvents {
  accept(wire: Wire): void;
  failed(error: PeerlaneError): void;
}

export interface Listener extends AsyncDisposable {
  readonly host: string;
  /** The port in use, also when 0 was asked for. */
  readonly port: number;
  /** Stops taking connections; those that were taken live on. */
  close(): Promise<void>;
}

/**
 * Listens for connections.
 * @throws PeerlaneError `port-in-use`, `listen-failed`
 */
export function listenTcp(
  { host, port, isIpv6Only = false }: ListenTcpOptions,
  { accept, failed }: TcpEvents,
): Promise<Listener> {
  return new Promise((resolve, reject) => {
    const server = createServer({ noDelay: true, allowHalfOpen: true }, (socket) => {
      // A socket that died before it was taken has no address any more.
      if (socket.remoteAddress === undefined) socket.destroy();
      else accept(new TcpWire(socket));
    });
    const onError = (cause: NodeJS.ErrnoException) => {
      const inUse = cause.code === 'EADDRINUSE';
      const message = inUse
        ? `${host}:${port} is in use`
        : `cannot listen on ${host}:${port}: ${cause.message}`;
      reject(new PeerlaneError(inUse ? 'port-in-use' : 'listen-failed', message, { cause }));
    };
    server.once('error', onError);
    server.listen({ host, port, exclusive: true, ipv6Only: isIpv6Only }, () => {
      server.off('error', onError);
      server.on('error', (cause) => failed(new PeerlaneError('listen-failed', cause.message, { cause })));
      resolve(listenerOf(server, host));
    });
  });
}

function listenerOf(server: NetServer, host: string): Listener {
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const close = () => new Promise<void>((resolve) => void server.close(() => resolve()));
  return { host, port, close, [Symbol.asyncDispose]: close };
}
