/** A host that answers by HTTP whatever it likes. */
import { createServer, type Socket } from 'node:net';
import fc from 'fast-check';
import { expect, it, onTestFinished } from 'vitest';
import { isPeerlaneError, toPeerlaneError } from '../../src/base/errors.ts';
import { MAX_INTERIM_ANSWERS, type SmallHttpAnswer, smallHttp } from '../../src/io/small-http.ts';
import { rejectionOf } from '../support/errors.ts';
import { runs } from '../support/runs.ts';

const HOST = '127.0.0.1';
const MAX_LENGTH = 4_096;
const never = new AbortController().signal;

/** A host that sends `reply` to whoever says anything. */
async function hostThat(reply: (socket: Socket) => void): Promise<number> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.once('data', () => reply(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, HOST, resolve));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

const ask = (port: number, signal = never): Promise<SmallHttpAnswer> =>
  smallHttp({ host: HOST, port, path: '/', method: 'GET', maxLength: MAX_LENGTH, signal });

const SWITCHING = 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n';
const CONTINUE = 'HTTP/1.1 100 Continue\r\n\r\n';

it.each([
  ['another protocol', SWITCHING],
  ['another protocol, of which it begins to speak', `${SWITCHING}hello`],
  ['no HTTP', 'hello\r\n\r\n'],
])('%s is no answer, also when nothing else comes', async (_, reply) => {
  const port = await hostThat((socket) => void socket.write(reply));
  expect(await rejectionOf(ask(port))).toBe('network-error');
});

it('interim answers are passed over, but not without an end', async () => {
  const answer = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
  const some = await hostThat((socket) => void socket.write(CONTINUE.repeat(MAX_INTERIM_ANSWERS) + answer));
  expect(await ask(some)).toEqual({ status: 200, body: 'ok' });
  const more = await hostThat((socket) => void socket.write(CONTINUE.repeat(MAX_INTERIM_ANSWERS + 1)));
  expect(await rejectionOf(ask(more))).toBe('network-error');
});

it.each([
  ['nothing', ''],
  ['an interim answer', CONTINUE],
  ['half a header', 'HTTP/1.1 200 OK\r\nContent-Le'],
  ['half a body', 'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab'],
])('after %s it is given up when the signal says so', async (_, reply) => {
  const given = new AbortController();
  const port = await hostThat((socket) => {
    socket.write(reply);
    given.abort();
  });
  expect(await rejectionOf(ask(port, given.signal))).toBe('aborted');
});

const line = fc.oneof(
  fc
    .tuple(fc.integer({ min: 99, max: 600 }), fc.constantFrom('HTTP/1.1', 'HTTP/1.0', 'HTTP/2', 'ICY'))
    .map(([status, version]) => `${version} ${status} X\r\n`),
  fc.constantFrom('HTTP/1.1 101 X\r\n', 'HTTP/1.1 100 X\r\n', 'HTTP/1.1 204 X\r\n', '\r\n'),
);
const header = fc.constantFrom(
  'Connection: Upgrade\r\n',
  'Connection: close\r\n',
  'Connection: keep-alive\r\n',
  'Upgrade: x\r\n',
  'Content-Length: 3\r\n',
  'Content-Length: 0\r\n',
  'Content-Length: -1\r\n',
  'Content-Length: 99999999999999999999\r\n',
  'Transfer-Encoding: chunked\r\n',
  'Transfer-Encoding: x\r\n',
  'Location: /\r\n',
  'Expect: 100-continue\r\n',
  'Trailer: x\r\n',
  'x\r\n',
);
const body = fc.constantFrom(
  '',
  'abc',
  'abcdef',
  '3\r\nabc\r\n0\r\n\r\n',
  '0\r\nx: y\r\n\r\n',
  'x'.repeat(5_000),
);
const answer = fc
  .tuple(line, fc.array(header, { maxLength: 4 }), fc.constantFrom('\r\n', ''), body)
  .map(([first, headers, end, rest]) => first + headers.join('') + end + rest);
/** What comes, in which pieces, and what becomes of the connection then. */
const behaviour = fc.record({
  text: fc
    .array(fc.oneof(answer, fc.constantFrom(SWITCHING, CONTINUE), fc.string()), { maxLength: 4 })
    .map((answers) => answers.join('')),
  cut: fc.integer({ min: 0, max: 200 }),
  end: fc.constantFrom('open', 'end', 'destroy', 'reset'),
});

it('whatever comes, and wherever it is cut, the exchange ends: by itself or by its signal', async () => {
  let now: { readonly text: string; readonly cut: number; readonly end: string } | undefined;
  let done: () => void = () => undefined;
  const port = await hostThat((socket) => {
    const { text = '', cut = 0, end } = now ?? {};
    socket.write(text.slice(0, cut), 'latin1');
    setImmediate(() => {
      socket.write(text.slice(cut), 'latin1', () => {
        if (end === 'end') socket.end();
        if (end === 'destroy') socket.destroy();
        if (end === 'reset') socket.resetAndDestroy();
        done();
      });
    });
  });
  const ends = new Map<string, number>();
  await fc.assert(
    fc.asyncProperty(behaviour, async (how) => {
      now = how;
      const given = new AbortController();
      // An honest end comes first where there is one.
      done = () => setImmediate(() => setImmediate(() => given.abort()));
      const end = await ask(port, given.signal).then(
        ({ body: { length } }) => (length <= MAX_LENGTH ? 'answer' : 'long'),
        (error: unknown) => (isPeerlaneError(error) ? toPeerlaneError(error).code : 'other'),
      );
      ends.set(end, (ends.get(end) ?? 0) + 1);
      expect(['answer', 'network-error', 'message-too-large', 'aborted']).toContain(end);
    }),
    { numRuns: runs(500) },
  );
  // It has seen more than one.
  expect([...ends.keys()]).toEqual(expect.arrayContaining(['aborted', 'answer', 'network-error']));
});
