/** TCP for the server: the only place that knows of sockets. */
import { createConnection, createServer, type Server as NetServer, type Socket } from 'node:net';
import { abortedError, onAbort } from '../base/abort.ts';
import { PeerlaneError } from '../base/errors.ts';

/** What a wire reports; set once, before any data can come. */
export interface WireEvents {
  /** The chunk belongs to the receiver. */
  data(chunk: Uint8Array): void;
  /** Something that was written has been handed to the system. */
  drained(): void;
  /** Called once, when nothing more will come or go. */
  closed(error: PeerlaneError): void;
}

/** A byte stream to one remote address. */
export interface Wire {
  readonly remoteAddress: string;
  readonly remotePort: number;
  attach(events: WireEvents): void;
  write(bytes: Uint8Array): void;
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

class TcpWire implements Wire {
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly #socket: Socket;
  /** Pieces that wait until the socket has nothing. */
  #pieces: Uint8Array[] = [];
  #piecesLength = 0;
  #isEnding = false;
  #error: Error | undefined;
  #drained: () => void = () => undefined;

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
      const message = this.#error?.message ?? 'the peer closed the connection';
      events.closed(new PeerlaneError('network-error', message, { cause: this.#error }));
    };
    if (socket.destroyed) {
      closed();
      return;
    }
    socket.on('data', (chunk) => events.data(chunk));
    this.#drained = () => events.drained();
    socket.once('close', closed);
  }

  write(bytes: Uint8Array): void {
    if (this.#isEnding || !this.#socket.writable) return;
    if (bytes.length <= PIECE && this.#pieces.length === 0) {
      this.#socket.write(bytes, this.#written);
      return;
    }
    for (let at = 0; at < bytes.length; at += PIECE) this.#pieces.push(bytes.subarray(at, at + PIECE));
    this.#piecesLength += bytes.length;
    this.#writePieces();
  }

  readonly #written = (): void => {
    this.#writePieces();
    this.#drained();
  };

  #writePieces(): void {
    let written = 0;
    for (const piece of this.#pieces) {
      if (this.#socket.writableLength > 0) break;
      this.#socket.write(piece, this.#written);
      this.#piecesLength -= piece.length;
      written++;
    }
    if (written > 0) this.#pieces.splice(0, written);
    if (this.#isEnding && this.#pieces.length === 0) this.#socket.end();
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

/**
 * Opens a connection; hostnames are resolved by the system.
 * @throws PeerlaneError `dial-failed`, `dial-timeout`, `aborted`
 */
export function connectTcp(
  { host, port }: Endpoint,
  { timeoutMs, signal }: { readonly timeoutMs: number; readonly signal?: AbortSignal | undefined },
): Promise<Wire> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(abortedError(signal));
      return;
    }
    const socket = createConnection({ host, port, noDelay: true });
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
    const failed = (cause: Error) =>
      fail(
        new PeerlaneError('dial-failed', `cannot connect to ${host}:${port}: ${cause.message}`, { cause }),
      );
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
  { host, port }: Endpoint,
  { accept, failed }: { accept(wire: Wire): void; failed(error: PeerlaneError): void },
): Promise<Listener> {
  return new Promise((resolve, reject) => {
    const server = createServer({ noDelay: true }, (socket) => {
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
    server.listen({ host, port, exclusive: true }, () => {
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
