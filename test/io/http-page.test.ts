import { request } from 'node:http';
import { connect, type Socket } from 'node:net';
import fc from 'fast-check';
import { expect, it, onTestFinished } from 'vitest';
import { VirtualEnv } from '../../src/base/virtual-env.ts';
import {
  HTTP_TIMEOUT_MS,
  type HttpPageOptions,
  type HttpPageServer,
  MAX_HTTP_CONNECTIONS,
  MAX_HTTP_PIPELINED,
  serveHttpPage,
} from '../../src/io/http-page.ts';
import { rejectionOf } from '../support/errors.ts';

const TEXT = 'a page\n';

async function started(options: Partial<HttpPageOptions> = {}): Promise<HttpPageServer> {
  const page = async () => ({ contentType: 'text/plain', body: Buffer.from(TEXT) });
  const server = await serveHttpPage({ host: '127.0.0.1', port: 0, path: '/page', page, ...options });
  onTestFinished(() => server.close());
  return server;
}

interface Response {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly text: string;
}

function ask({ port }: HttpPageServer, path: string, method = 'GET', body = ''): Promise<Response> {
  return new Promise((resolve, reject) => {
    const asking = request({ host: '127.0.0.1', port, path, method, agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        text += chunk;
      });
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, text }),
      );
    });
    asking.on('error', reject);
    asking.end(body);
  });
}

interface Client {
  readonly socket: Socket;
  /** What has come when it is closed. */
  readonly closed: Promise<string>;
}

function socketTo({ port }: HttpPageServer, from = '127.0.0.1'): Client {
  const socket = connect({ host: '127.0.0.1', port, localAddress: from });
  onTestFinished(() => void socket.destroy());
  let text = '';
  const closed = new Promise<string>((resolve) => {
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
    });
    socket.on('error', () => undefined);
    socket.on('close', () => resolve(text));
  });
  return { socket, closed };
}

it('serves its page, and nothing else', async () => {
  const server = await started();
  const found = await ask(server, '/page?at=1');
  expect(await ask(server, 'http://elsewhere:9/page?at=1')).toMatchObject({ status: 200, text: TEXT });
  expect(found).toMatchObject({ status: 200, text: TEXT, headers: { 'content-type': 'text/plain' } });
  expect(await ask(server, '/page', 'HEAD')).toMatchObject({
    ...{ status: 200, text: '' },
    headers: { 'content-length': String(TEXT.length) },
  });
  for (const path of ['/', '/pages', '/page/', '/%70age', '*', '//page', 'http://page', 'ftp://x/page']) {
    expect(await ask(server, path), path).toMatchObject({ status: 404, headers: { connection: 'close' } });
  }
  for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS']) {
    const refused = await ask(server, '/page', method);
    expect(refused, method).toMatchObject({
      status: 405,
      headers: { allow: 'GET, HEAD', connection: 'close' },
    });
  }
  expect(await ask(server, '/page', 'GET', 'a body')).toMatchObject({ status: 400 });
});

it('says that there is no page when it cannot be made, and not why', async () => {
  const failures: unknown[] = [];
  const error = new Error('a secret');
  const server = await started({ page: () => Promise.reject(error), failed: (one) => failures.push(one) });
  const answer = await ask(server, '/page');
  expect(answer.status).toBe(500);
  expect(answer.text).not.toContain('secret');
  expect(failures).toEqual([error]);
});

const GET = 'GET /page HTTP/1.1\r\nhost: x\r\n\r\n';
const LAST = GET.replace('host: x', 'host: x\r\nconnection: close');

/** Resolves when something has come. */
const heard = ({ socket }: Client): Promise<void> =>
  new Promise((resolve) => socket.once('data', () => resolve()));

/** So many connections that are kept alive, one after another, each of which has been answered. */
async function keptAlive(server: HttpPageServer, count: number): Promise<Client[]> {
  const clients: Client[] = [];
  for (let i = 0; i < count; i++) {
    const client = socketTo(server);
    client.socket.write(GET);
    await heard(client);
    clients.push(client);
  }
  return clients;
}

const areOpen = (clients: readonly Client[]): boolean[] =>
  clients.map(({ socket }) => !socket.destroyed && !socket.readableEnded);

/** It asks once more. */
async function asked(client: Client): Promise<void> {
  const answered = heard(client);
  client.socket.write(GET);
  await answered;
}

it('who asks gets the page although all connections are taken: the one goes that has been idle the longest', async () => {
  const server = await started();
  const slow = await keptAlive(server, MAX_HTTP_CONNECTIONS);
  const [first, second] = slow as [Client, Client];
  await asked(first);
  expect(await ask(server, '/page')).toMatchObject({ status: 200, text: TEXT });
  await second.closed;
  expect(areOpen(slow)).toEqual(slow.map((one) => one !== second));
});

it.each([
  ['nothing', ''],
  ['half a request', 'GET /page HTTP/1.1\r\nx: '],
])('who asks gets the page although all connections have sent %s', async (_, text) => {
  const server = await started();
  const slow = Array.from({ length: 4 * MAX_HTTP_CONNECTIONS }, () => socketTo(server));
  for (const { socket } of slow) socket.write(text);
  await Promise.all(
    slow.map(({ socket, closed }) =>
      Promise.race([new Promise((resolve) => socket.once('connect', resolve)), closed]),
    ),
  );
  expect(await ask(server, '/page')).toMatchObject({ status: 200, text: TEXT });
  const [first] = slow as [Client];
  expect(await first.closed).toBe('');
});

/** A server whose pages come when they are let. */
async function waitingServer() {
  const waiting: (() => void)[] = [];
  const come: (() => void)[] = [];
  const server = await started({
    page: () =>
      new Promise((resolve) => {
        waiting.push(() => resolve({ contentType: 'text/plain', body: Buffer.from(TEXT) }));
        come.shift()?.();
      }),
  });
  /** A connection whose request the server has. */
  const askingFrom = async (from?: string): Promise<Client> => {
    const client = socketTo(server, from);
    const hasCome = new Promise<void>((resolve) => come.push(resolve));
    client.socket.write(GET);
    await hasCome;
    return client;
  };
  return { server, askingFrom, letAll: () => waiting.splice(0).forEach((one) => void one()) };
}

it('a connection without a request goes before those with one, and of these the longest', async () => {
  const { server, askingFrom, letAll } = await waitingServer();
  const asking = [await askingFrom(), await askingFrom()];
  const idle = socketTo(server);
  await new Promise((resolve) => idle.socket.once('connect', resolve));
  while (asking.length < MAX_HTTP_CONNECTIONS - 1) asking.push(await askingFrom());
  asking.push(await askingFrom());
  expect(await idle.closed).toBe('');
  expect(areOpen(asking)).toEqual(asking.map(() => true));
  const last = await askingFrom();
  const [first, ...others] = asking as [Client, ...Client[]];
  expect(await first.closed).toBe('');
  const answers = [...others, last].map(heard);
  letAll();
  await Promise.all(answers);
});

it('a crowd from one address has its own put out, not those of other addresses', async () => {
  const { server, askingFrom } = await waitingServer();
  const scraper = socketTo(server, '127.0.0.2');
  await new Promise((resolve) => scraper.socket.once('connect', resolve));
  const crowd: Client[] = [];
  for (let i = 0; i < 3 * MAX_HTTP_CONNECTIONS; i++) crowd.push(await askingFrom('127.0.0.3'));
  const gone = crowd.slice(0, -(MAX_HTTP_CONNECTIONS - 1));
  await Promise.all(gone.map(({ closed }) => closed));
  expect(areOpen([scraper])).toEqual([true]);
  expect(areOpen(crowd).filter(Boolean)).toHaveLength(MAX_HTTP_CONNECTIONS - 1);
});

it('closes a connection that takes its answer too slowly', async () => {
  const env = new VirtualEnv();
  const body = Buffer.alloc(64 * 1024 * 1024, 'x');
  const server = await started({ env, page: async () => ({ contentType: 'text/plain', body }) });
  const slow = socketTo(server);
  slow.socket.write(GET);
  await heard(slow);
  slow.socket.pause();
  env.advance(HTTP_TIMEOUT_MS - 1);
  expect(slow.socket.destroyed).toBe(false);
  env.advance(1);
  slow.socket.resume();
  expect((await slow.closed).length).toBeLessThan(body.length);
});

it('answers what a connection has sent ahead, one after another', async () => {
  let [made, atOnce, most] = [0, 0, 0];
  const server = await started({
    page: async () => {
      most = Math.max(most, ++atOnce);
      await new Promise((resolve) => setImmediate(resolve));
      atOnce--;
      return { contentType: 'text/plain', body: Buffer.from(`page ${++made}.`) };
    },
  });
  const { socket, closed } = socketTo(server);
  socket.write(GET.repeat(MAX_HTTP_PIPELINED - 1) + LAST);
  expect((await closed).match(/page \d/g)).toEqual(
    Array.from({ length: MAX_HTTP_PIPELINED }, (_, i) => `page ${i + 1}`),
  );
  expect(most).toBe(1);
});

it('makes one page for a connection that reads nothing, and closes one that sends much ahead', async () => {
  let made = 0;
  const body = Buffer.alloc(32 * 1024 * 1024, 'x');
  const server = await started({
    page: async () => {
      made++;
      return { contentType: 'text/plain', body };
    },
  });
  const greedy = socketTo(server);
  greedy.socket.pause();
  greedy.socket.write(GET.repeat(MAX_HTTP_PIPELINED));
  const eager = socketTo(server);
  eager.socket.write(GET.repeat(1_000));
  expect((await eager.closed).length).toBeLessThan(body.length);
  expect(made).toBeLessThanOrEqual(2);
  greedy.socket.destroy();
  expect(await ask(server, '/page', 'HEAD')).toMatchObject({ status: 200 });
});

it('closes a connection that sends too large a head', async () => {
  const server = await started();
  const { socket, closed } = socketTo(server);
  socket.write(`GET /page HTTP/1.1\r\nhost: x\r\nx: ${'y'.repeat(20_000)}\r\n\r\n`);
  expect(await closed).toMatch(/^HTTP\/1.1 431 /);
});

it('closes a connection whose request does not come to its end', async () => {
  const server = await started();
  const { socket, closed } = socketTo(server);
  socket.write('GET /page HTTP/1.1\r\nhost: x\r\n');
  expect(await closed).toMatch(/^(HTTP\/1.1 408 |$)/);
});

it('ends all connections when it is closed', async () => {
  const server = await started();
  const { socket, closed } = socketTo(server);
  await new Promise((resolve) => socket.once('connect', resolve));
  await Promise.all([server.close(), server.close()]);
  await closed;
});

it('says when its port is in use', async () => {
  const { port } = await started();
  expect(await rejectionOf(started({ port }))).toBe('port-in-use');
});

it('answers or closes, whatever is sent', async () => {
  const server = await started();
  const piece = fc.constantFrom(
    'GET ',
    '/page',
    ' HTTP/1.1\r\n',
    'host: x\r\n',
    '\r\n',
    '\0',
    'content-length: 9',
    '\n',
  );
  const bytes = fc.oneof(
    fc.array(piece, { maxLength: 12 }).map((all) => all.join('')),
    fc.string(),
  );
  await fc.assert(
    fc.asyncProperty(bytes, async (text) => {
      const { socket, closed } = socketTo(server);
      socket.end(text);
      await closed;
    }),
    { numRuns: 50 },
  );
  expect(await ask(server, '/page')).toMatchObject({ status: 200 });
});
