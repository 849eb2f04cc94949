/** One page over HTTP, for programs on the same network that ask for it now and then. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Env, systemEnv } from '../base/env.ts';
import { PeerlaneError } from '../base/errors.ts';
import { HttpConnections } from './http-connections.ts';

/** Connections at a time; for one more another goes. */
export const MAX_HTTP_CONNECTIONS = 16;
/** How long a request may take to arrive, an answer to be taken, and a socket may be idle, in milliseconds. */
export const HTTP_TIMEOUT_MS = 5_000;
/** How often it is looked at whose time is over. */
const CHECK_INTERVAL_MS = 500;
const MAX_HEADER_BYTES = 8 * 1024;
/** Requests on one connection, before it is closed. */
const MAX_REQUESTS = 1_000;

/** Requests of one connection that have no answer yet; one that sends more ahead is closed. */
export const MAX_HTTP_PIPELINED = 8;

export interface HttpPage {
  readonly contentType: string;
  /** Given to the socket as it is: not to be written to any more. */
  readonly body: Uint8Array;
}

export interface HttpPageOptions {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  /** Begins with `/`. */
  readonly path: string;
  /** Makes the page; `accept` is what the request says of formats, or empty. */
  readonly page: (accept: string) => Promise<HttpPage>;
  /** Told what `page` has failed with. */
  readonly failed?: ((error: unknown) => void) | undefined;
  /** For how long an answer is waited to be taken; default the system's. */
  readonly env?: Pick<Env, 'setTimer'>;
}

interface Answer extends HttpPage {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
}

const PLAIN = 'text/plain; charset=utf-8';
const refusal = (status: number, text: string, headers = {}): Answer => ({
  ...{ status, headers, body: Buffer.from(`${text}\n`), contentType: PLAIN },
});

export class HttpPageServer implements AsyncDisposable {
  readonly host: string;
  readonly port: number;
  readonly #server: Server;
  #closing: Promise<void> | undefined;

  /** @internal See `serveHttpPage`. */
  constructor(server: Server, host: string) {
    this.#server = server;
    this.host = host;
    this.port = (server.address() as AddressInfo).port;
  }

  /** Closes all connections; resolves when the port is free. May be called twice. */
  close(): Promise<void> {
    this.#closing ??= new Promise((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
    });
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** @throws PeerlaneError `port-in-use`, `listen-failed` */
export function serveHttpPage(options: HttpPageOptions): Promise<HttpPageServer> {
  const { host, port } = options;
  const connections = new HttpConnections(MAX_HTTP_CONNECTIONS);
  const server = createServer(
    {
      headersTimeout: HTTP_TIMEOUT_MS,
      requestTimeout: HTTP_TIMEOUT_MS,
      keepAliveTimeout: HTTP_TIMEOUT_MS,
      connectionsCheckingInterval: CHECK_INTERVAL_MS,
      maxHeaderSize: MAX_HEADER_BYTES,
    },
    (request, response) => void respondInTurn(connections, options, request, response),
  );
  server.on('connection', (socket) => connections.add(socket));
  server.maxRequestsPerSocket = MAX_REQUESTS;
  // Without a listener of its own, Node.js destroys a socket that is idle for so long.
  server.timeout = HTTP_TIMEOUT_MS;
  return new Promise((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const inUse = cause.code === 'EADDRINUSE';
      const message = inUse
        ? `TCP port ${host}:${port} is in use`
        : `cannot listen on TCP ${host}:${port}: ${cause.message}`;
      reject(new PeerlaneError(inUse ? 'port-in-use' : 'listen-failed', message, { cause }));
    });
    server.listen({ host, port, exclusive: true }, () => {
      server.removeAllListeners('error');
      // No descriptor is left for a moment, and the like: whoever asked asks again.
      server.on('error', (error) => options.failed?.(error));
      resolve(new HttpPageServer(server, host));
    });
  });
}

/** One answer of a connection at a time: who sends many requests and reads nothing has only one page waiting for him. */
function respondInTurn(
  connections: HttpConnections,
  options: HttpPageOptions,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  const { socket } = request;
  const connection = connections.began(socket);
  if (connection === undefined || connection.waiting > MAX_HTTP_PIPELINED) {
    socket.destroy();
    return;
  }
  connection.last = connection.last.then(async () => {
    if (!socket.destroyed) await respond(options, request, response);
    connections.ended(socket);
  });
}

/** Resolves when the system has taken the answer, or the connection is gone. */
async function respond(
  options: HttpPageOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { status, headers, body, contentType } = await answerTo(options, request);
  const { socket } = request;
  if (socket.destroyed) return;
  const { env = systemEnv } = options;
  await new Promise<void>((resolve) => {
    // Who takes a byte now and then is not idle.
    const timer = env.setTimer(HTTP_TIMEOUT_MS, () => socket.destroy());
    const done = (): void => {
      timer.cancel();
      socket.off('close', done);
      resolve();
    };
    response.once('close', done);
    socket.once('close', done);
    response.writeHead(status, {
      'content-type': contentType,
      'content-length': body.length,
      // Whoever asks for what there is not has nothing more to ask; nor is a body waited for.
      ...(status === 200 ? {} : { connection: 'close' }),
      ...headers,
    });
    response.end(request.method === 'HEAD' ? undefined : body);
  });
}

async function answerTo(
  { path, page, failed }: HttpPageOptions,
  { method, url = '', headers }: IncomingMessage,
): Promise<Answer> {
  // A proxy may pass on the whole URL (RFC 9112, section 3.2.2).
  const target = url.replace(/^https?:\/\/[^/?]*/i, '');
  if (target.split('?', 1)[0] !== path) return refusal(404, `there is only ${path}`);
  if (method !== 'GET' && method !== 'HEAD') {
    return refusal(405, 'there is only GET', { allow: 'GET, HEAD' });
  }
  const { 'content-length': length = '0', 'transfer-encoding': encoding } = headers;
  if (length !== '0' || encoding !== undefined) return refusal(400, 'a request has no body');
  try {
    return { status: 200, ...(await page(headers.accept ?? '')) };
  } catch (error) {
    failed?.(error);
    // Whoever asks need not know what is wrong here.
    return refusal(500, 'there is no page at the moment');
  }
}
