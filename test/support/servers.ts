import { onTestFinished } from 'vitest';
import { systemEnv } from '../../src/base/env.ts';
import { generateSecretKey } from '../../src/crypto/index.ts';
import type { Protocol, ProtocolChannel } from '../../src/p2p/index.ts';
import { Server, type ServerEvent, type ServerOptions } from '../../src/server/index.ts';

export const LOOPBACK = { host: '127.0.0.1', port: 0 } as const;

/** Sends every message back under its own code. */
export const echo: Protocol = {
  name: 'echo',
  version: 1,
  length: 16,
  async handler(channel) {
    for await (const { code, payload } of channel) await channel.send(code, payload);
  },
};

/** A protocol whose channels are handed to the test. */
export function manual(name = 'echo', version = 1, length = 16, more: Partial<Protocol> = {}) {
  const waiting: ((channel: ProtocolChannel) => void)[] = [];
  const arrived: ProtocolChannel[] = [];
  const protocol: Protocol = {
    name,
    version,
    length,
    ...more,
    handler(channel) {
      const take = waiting.shift();
      if (take === undefined) arrived.push(channel);
      else take(channel);
      return new Promise((resolve) =>
        channel.signal.addEventListener('abort', () => resolve(), { once: true }),
      );
    },
  };
  const next = (): Promise<ProtocolChannel> => {
    const channel = arrived.shift();
    return channel === undefined ? new Promise((resolve) => waiting.push(resolve)) : Promise.resolve(channel);
  };
  return { protocol, next };
}

/** A server of its own key, with its events kept and awaitable. */
export class TestServer extends Server {
  readonly seen: ServerEvent[];
  readonly #waiting: Set<() => void>;

  constructor(options: Partial<ServerOptions> = {}) {
    const seen: ServerEvent[] = [];
    const waiting = new Set<() => void>();
    super({
      key: generateSecretKey(systemEnv),
      listen: LOOPBACK,
      protocols: [echo],
      ...options,
      onEvent: (event) => {
        seen.push(event);
        for (const wake of waiting) wake();
      },
    });
    this.seen = seen;
    this.#waiting = waiting;
  }

  /** The first event, seen or to come, of which `is` holds. */
  until<E extends ServerEvent>(is: (event: ServerEvent) => event is E): Promise<E>;
  until(is: (event: ServerEvent) => boolean): Promise<ServerEvent>;
  until(is: (event: ServerEvent) => boolean): Promise<ServerEvent> {
    return new Promise((resolve) => {
      const look = () => {
        const event = this.seen.find(is);
        if (event === undefined) return;
        this.#waiting.delete(look);
        resolve(event);
      };
      this.#waiting.add(look);
      look();
    });
  }
}

export const isKind =
  <K extends ServerEvent['kind']>(kind: K) =>
  (event: ServerEvent): event is Extract<ServerEvent, { kind: K }> =>
    event.kind === kind;

/** The reason why a channel or a peer is over, once it is. */
export function endOf({ signal }: { readonly signal: AbortSignal }): Promise<unknown> {
  return new Promise((resolve) => {
    const done = () => resolve(signal.reason);
    if (signal.aborted) done();
    else signal.addEventListener('abort', done, { once: true });
  });
}

/** A server that listens, until the test ends. */
export async function startedServer(options: Partial<ServerOptions> = {}): Promise<TestServer> {
  const server = new TestServer(options);
  onTestFinished(() => server.close());
  await server.start();
  return server;
}
