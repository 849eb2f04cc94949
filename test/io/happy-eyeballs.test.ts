import { createServer, type Server, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { systemEnv } from '../../src/base/env.ts';
import { PeerlaneError, toPeerlaneError } from '../../src/base/errors.ts';
import {
  ATTEMPT_DELAY_MS,
  type ConnectAnyOptions,
  connectAny,
  MAX_ATTEMPTS,
  RESOLUTION_DELAY_MS,
} from '../../src/io/happy-eyeballs.ts';
import { connectTcp, type Wire } from '../../src/io/tcp.ts';
import { rejectionOf } from '../support/errors.ts';

const open: { listener: Server; sockets: Set<Socket> }[] = [];
afterEach(async () => {
  for (const { listener, sockets } of open.splice(0)) {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => listener.close(resolve));
  }
});

/** A listener; its port, and the sockets that it has. */
async function listening(host: string, port = 0): Promise<{ port: number; sockets: Set<Socket> }> {
  const sockets = new Set<Socket>();
  const listener = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined).on('close', () => sockets.delete(socket));
  });
  open.push({ listener, sockets });
  await new Promise<void>((resolve, reject) => listener.once('error', reject).listen(port, host, resolve));
  const address = listener.address();
  return { port: typeof address === 'object' && address !== null ? address.port : 0, sockets };
}

/** A port of 127.0.0.1 where nobody is. */
async function closedPort(): Promise<number> {
  const { port } = await listening('127.0.0.1');
  const last = open.pop();
  await new Promise((resolve) => last?.listener.close(resolve));
  return port;
}

const never = new AbortController().signal;
const connect = (hosts: readonly [string, number][], change: Partial<ConnectAnyOptions> = {}) =>
  connectAny(
    hosts.map(([host, port]) => ({ host, port })),
    { env: systemEnv, timeoutMs: 10_000, signal: never, ...change },
  );
const failure = (promise: Promise<unknown>): Promise<PeerlaneError> =>
  promise.then(() => expect.unreachable(), toPeerlaneError);

/** What a clock of its own decides: when the next address is tried. */
function withTimers() {
  const timers: { ms: number; run: () => void; isSet: boolean }[] = [];
  const setTimer = (ms: number, run: () => void) => {
    const timer = { ms, run, isSet: true };
    timers.push(timer);
    const cancel = () => {
      timer.isSet = false;
    };
    return { cancel };
  };
  return { timers, env: { now: () => 0, setTimer } };
}

describe('a connection to one of several addresses', () => {
  it('goes to the first when it can be reached', async () => {
    const first = await listening('127.0.0.1');
    const second = await listening('::1');
    const wire = await connect([
      ['127.0.0.1', first.port],
      ['::1', second.port],
    ]);
    expect([wire.remoteAddress, wire.remotePort]).toEqual(['127.0.0.1', first.port]);
    wire.destroy();
  });

  it('leaves out those that one has nothing to do with, and says why when there are no others', async () => {
    const [first, second] = [await listening('127.0.0.1'), await listening('::1')];
    const banned = new PeerlaneError('banned', 'not there');
    const refusal = (ip: string) => (ip === '127.0.0.1' ? banned : undefined);
    const both: [string, number][] = [
      ['127.0.0.1', first.port],
      ['::1', second.port],
    ];
    const wire = await connect(both, { refusal });
    expect(wire.remoteAddress).toBe('::1');
    wire.destroy();
    expect(await failure(connect(both.slice(0, 1), { refusal }))).toBe(banned);
    const lookup = async () => ['127.0.0.1', '127.0.0.1'];
    expect(await failure(connect([['a.name', 1]], { refusal, lookup }))).toBe(banned);
    expect(first.sockets.size).toBe(0);
  });

  it('goes to the next at once when one refuses', async () => {
    const { env, timers } = withTimers();
    const { port } = await listening('::1');
    const wire = await connect(
      [
        ['127.0.0.1', await closedPort()],
        ['::1', port],
      ],
      { env },
    );
    expect(wire.remoteAddress).toBe('::1');
    // No time had to pass, and nothing waits any more.
    expect(timers.filter(({ isSet }) => isSet)).toEqual([]);
    wire.destroy();
  });

  it('tries the next after 250 ms while the first is silent, and lets go of the first', async () => {
    const { env, timers } = withTimers();
    const { port } = await listening('127.0.0.1');
    let given: AbortSignal | undefined;
    const silent: typeof connectTcp = (endpoint, options) => {
      if (endpoint.port === port) return connectTcp(endpoint, options);
      given = options.signal;
      return new Promise(() => undefined);
    };
    const places: [string, number][] = [
      ['127.0.0.2', 1],
      ['127.0.0.1', port],
    ];
    const connecting = connect(places, { env, connect: silent });
    await new Promise((resolve) => setImmediate(resolve));
    const [, next] = timers;
    expect(next?.ms).toBe(ATTEMPT_DELAY_MS);
    next?.run();
    const wire = await connecting;
    expect(wire.remotePort).toBe(port);
    expect(given?.aborted).toBe(true);
    expect(timers[0]?.isSet).toBe(false);
    wire.destroy();
  });

  it('does not wait for the look-up of another name, but for a moment where that is preferred', async () => {
    const { port } = await listening('127.0.0.1');
    const lookup = () => new Promise<string[]>(() => undefined);
    const behind = withTimers();
    const wire = await connect(
      [
        ['127.0.0.1', port],
        ['a.name', port],
      ],
      { env: behind.env, lookup },
    );
    expect(behind.timers.map(({ ms }) => ms)).toEqual([10_000]);
    const before = withTimers();
    const connecting = connect(
      [
        ['a.name', port],
        ['127.0.0.1', port],
      ],
      { env: before.env, lookup },
    );
    expect(before.timers.map(({ ms }) => ms)).toEqual([10_000, RESOLUTION_DELAY_MS]);
    before.timers[1]?.run();
    const other = await connecting;
    expect(other.remotePort).toBe(port);
    expect(before.timers[0]?.isSet).toBe(false);
    for (const each of [wire, other]) each.destroy();
  });

  it('begins with another address of a name when it is told to', async () => {
    const { port } = await listening('127.0.0.2');
    await listening('127.0.0.1', port);
    const lookup = async () => ['127.0.0.1', '127.0.0.2'];
    const places: [string, number][] = [['a.name', port]];
    const reached: (string | undefined)[] = [];
    for (const turn of [undefined, 1, 2, 3]) {
      const wire = await connect(places, { lookup, turn });
      reached.push(wire.remoteAddress);
      wire.destroy();
    }
    expect(reached).toEqual(['127.0.0.1', '127.0.0.2', '127.0.0.1', '127.0.0.2']);
  });

  it('goes on with what a look-up brings late, and says when none came in time', async () => {
    const { port } = await listening('127.0.0.1');
    const { env, timers } = withTimers();
    let found: (hosts: string[]) => void = () => undefined;
    const lookup = () => new Promise<string[]>((resolve) => (found = resolve));
    const places: [string, number][] = [
      ['a.name', port],
      ['127.0.0.2', await closedPort()],
    ];
    let connecting: Promise<Wire> = new Promise(() => undefined);
    const refused = new Promise<void>((resolve) => {
      const signalling: typeof connectTcp = (endpoint, options) =>
        connectTcp(endpoint, options).catch((error: unknown) => {
          setImmediate(resolve);
          throw error;
        });
      connecting = connect(places, { env, lookup, connect: signalling });
    });
    timers[1]?.run();
    await refused;
    found(['127.0.0.1']);
    const wire = await connecting;
    expect(wire.remoteAddress).toBe('127.0.0.1');
    wire.destroy();
    const late = withTimers();
    const waiting = failure(connect([['a.name', port]], { env: late.env, lookup }));
    for (const timer of late.timers.toReversed()) timer.run();
    expect(await waiting).toMatchObject({
      code: 'dial-timeout',
      message: 'a.name was not looked up within 10000 ms',
    });
  });

  it('lets go of one that comes after another has won', async () => {
    const [first, second] = [await listening('127.0.0.1'), await listening('::1')];
    const wires: Wire[] = [];
    const both: typeof connectTcp = async (endpoint, options) => {
      const wire = await connectTcp(endpoint, { timeoutMs: options.timeoutMs });
      wires.push(wire);
      // The other has been begun by then.
      while (wires.length < 2) await new Promise((resolve) => setImmediate(resolve));
      return wire;
    };
    const { env, timers } = withTimers();
    const connecting = connect(
      [
        ['127.0.0.1', first.port],
        ['::1', second.port],
      ],
      { env, connect: both },
    );
    await new Promise((resolve) => setImmediate(resolve));
    timers[1]?.run();
    const wire = await connecting;
    const loser = wires.find((one) => one !== wire);
    const gone = new Promise<void>((resolve) => {
      loser?.attach({
        data: () => undefined,
        drained: () => undefined,
        ended: () => undefined,
        closed: () => resolve(),
      });
    });
    await gone;
    wire.destroy();
  });

  it('says of each why it failed', async () => {
    const ports = [await closedPort(), await closedPort()];
    const error = await failure(connect(ports.map((port) => ['127.0.0.1', port])));
    expect(error.code).toBe('dial-failed');
    for (const port of ports) expect(error.message).toContain(`127.0.0.1:${port}`);
  });

  it('is refused when no address is allowed, and when there is none', async () => {
    expect(await rejectionOf(connect([['127.0.0.1', 1]], { allows: () => false }))).toBe('address-refused');
    expect(await rejectionOf(connect([]))).toBe('dial-failed');
    expect(await rejectionOf(connect([['a.test', 1]], { lookup: async () => [] }))).toBe('address-refused');
    const none = connect([['a.test', 1]], { lookup: () => Promise.reject(new Error('no such name')) });
    expect((await failure(none)).message).toBe('cannot connect to a.test:1: no such name');
  });

  it('takes the addresses of a name, the families in turn, a few at most', async () => {
    const asked: string[] = [];
    const lookup = async (name: string) => {
      asked.push(name);
      return ['127.0.0.1', '127.0.0.2', '::1', ...Array.from({ length: 100 }, (_, i) => `127.0.1.${i}`)];
    };
    const port = await closedPort();
    const { message } = await failure(connect([['node.test', port]], { lookup }));
    expect(asked).toEqual(['node.test']);
    const tried = [...message.matchAll(/connect to (\S+):\d+:/g)].map(([, host]) => host);
    expect(tried).toHaveLength(MAX_ATTEMPTS);
    expect(tried.slice(0, 3)).toEqual(['127.0.0.1', '::1', '127.0.0.2']);
  });

  it('ends with its signal, and in time, whatever a lookup does', async () => {
    const abort = new AbortController();
    const hanging = () => new Promise<string[]>(() => undefined);
    const aborted = connect([['a.test', 1]], { lookup: hanging, signal: abort.signal });
    abort.abort();
    expect(await rejectionOf(aborted)).toBe('aborted');
    expect(await rejectionOf(connect([['127.0.0.1', 1]], { signal: abort.signal }))).toBe('aborted');
    const { env, timers } = withTimers();
    const late = connect([['a.test', 1]], { lookup: hanging, env });
    timers[0]?.run();
    expect(await rejectionOf(late)).toBe('dial-timeout');
  });
});
