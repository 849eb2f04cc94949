/** One page over HTTP, for programs on the same network that ask for it now and then. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { PeerlaneError } from '../base/errors.ts';

/** Connections at a time; others are closed at once. */
export const MAX_HTTP_CONNECTIONS = 16;
/** How long a request may take to arrive, and a socket may be idle or take nothing, in milliseconds. */
export const HTTP_TIMEOUT_MS = 5_000;
/** How often it is looked at whose time is over. */
const CHECK_INTERVAL_MS = 500;
const MAX_HEADER_BYTES = 8 * 1024;
/** Requests on one connection, before it is closed. */
const MAX_REQUESTS = 1_000;

export interface HttpPage {
  readonly contentType: string;
  readonly text: string;
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
}

interface Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly text: string;
  readonly contentType: string;
}

const PLAIN = 'text/plain; charset=utf-8';
const refusal = (status: number, text: string, headers = {}): Answer => ({
  ...{ status, headers, text: `${text}\n`, contentType: PLAIN },
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
  const server = createServer(
    {
      headersTimeout: HTTP_TIMEOUT_MS,
      requestTimeout: HTTP_TIMEOUT_MS,
      keepAliveTimeout: HTTP_TIMEOUT_MS,
      connectionsCheckingInterval: CHECK_INTERVAL_MS,
      maxHeaderSize: MAX_HEADER_BYTES,
    },
    (request, response) => void respond(options, request, response),
  );
  server.maxConnections = MAX_HTTP_CONNECTIONS;
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

async function respond(
  options: HttpPageOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { status, headers, text, contentType } = await answerTo(options, request);
  const body = Buffer.from(text);
  response.writeHead(status, {
    'content-type': contentType,
    'content-length': body.length,
    // Whoever asks for what there is not has nothing more to ask; nor is a body waited for.
    ...(status === 200 ? {} : { connection: 'close' }),
    ...headers,
  });
  response.end(request.method === 'HEAD' ? undefined : body);
}

async function answerTo(
  { path, page, failed }: HttpPageOptions,
  { method, url = '', headers }: IncomingMessage,
): Promise<Answer> {
  if (url.split('?', 1)[0] !== path) return refusal(404, `there is only ${path}`);
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
