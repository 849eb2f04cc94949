import { describe, expect, it } from 'vitest';
import type { PeerlaneError } from '../../src/base/errors.ts';
import { VirtualEnv } from '../../src/base/virtual-env.ts';
import type { Wire } from '../../src/io/tcp.ts';
import type { Connection } from '../../src/server/connection.ts';
import { MAX_WAITING_INBOUND, PENDING_TURN_MS, PendingInbound } from '../../src/server/pending-inbound.ts';

const LIMIT = 3;

/** Connections by the number of the socket that they came by, and what became of them. */
function setUp() {
  const env = new VirtualEnv();
  const begun: number[] = [];
  const closed = new Map<number, string>();
  const destroyed: number[] = [];
  const connections = new Map<number, Connection>();
  const identified = new Set<number>();
  const pending: PendingInbound = new PendingInbound({
    limit: LIMIT,
    env,
    begin: ({ remotePort: port }) => {
      begun.push(port);
      const connection = {
        endError: undefined,
        get hasIdentity() {
          return identified.has(port);
        },
        close(error: PeerlaneError) {
          closed.set(port, error.code);
          pending.delete(connection as unknown as Connection);
        },
      } as unknown as Connection;
      connections.set(port, connection);
      return connection;
    },
  });
  const come = (port: number) =>
    pending.accept({ remotePort: port, destroy: () => void destroyed.push(port) } as Wire);
  const leave = (port: number) => {
    const connection = connections.get(port);
    if (connection !== undefined) pending.delete(connection);
  };
  return { env, pending, come, leave, begun, closed, destroyed, identified };
}

const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);

describe('inbound connections that are no peers yet', () => {
  it('begin at once up to the limit; others as places become free, in the order in which they came', () => {
    const { come, leave, begun, closed } = setUp();
    for (const port of range(0, 6)) come(port);
    expect(begun).toEqual([0, 1, 2]);
    leave(1);
    expect(begun).toEqual([0, 1, 2, 3]);
    leave(0);
    leave(3);
    expect(begun).toEqual(range(0, 6));
    expect([...closed]).toEqual([]);
  });

  it('keep their places for a turn while others wait, and without that', () => {
    const { env, come, closed, begun } = setUp();
    for (const port of range(0, 3)) come(port);
    env.advance(10 * PENDING_TURN_MS);
    expect([...closed]).toEqual([]);
    come(3);
    expect([...closed]).toEqual([]);
    env.advance(1);
    expect([...closed]).toEqual([[0, 'pending-replaced']]);
    expect(begun).toEqual(range(0, 4));
    come(4);
    come(5);
    come(6);
    env.advance(1);
    expect([...closed.keys()]).toEqual([0, 1, 2]);
    env.advance(PENDING_TURN_MS - 3);
    expect([...closed.keys()]).toEqual([0, 1, 2]);
    env.advance(1);
    expect([...closed.keys()]).toEqual([0, 1, 2, 3]);
  });

  it('make room when their turn is over: first whoever has not proved its key', () => {
    const { env, come, closed, identified } = setUp();
    identified.add(0);
    for (const port of range(0, 4)) come(port);
    env.advance(PENDING_TURN_MS);
    expect([...closed.keys()]).toEqual([1]);
  });

  it('also make room when all have proved their keys', () => {
    const { env, come, closed, identified } = setUp();
    for (const port of range(0, 4)) identified.add(port);
    for (const port of range(0, 4)) come(port);
    env.advance(PENDING_TURN_MS);
    expect([...closed.keys()]).toEqual([0]);
  });

  it('are not more than so many, with those that wait: each more makes a silent one go at once', () => {
    const { come, closed, begun, pending, destroyed } = setUp();
    for (const port of range(0, LIMIT + MAX_WAITING_INBOUND)) come(port);
    expect(begun).toEqual([0, 1, 2]);
    expect([...closed]).toEqual([]);
    for (const port of range(0, 5)) come(1000 + port);
    expect([...closed.keys()]).toEqual(range(0, 5));
    expect(begun).toEqual(range(0, 8));
    pending.close();
    expect(destroyed).toHaveLength(MAX_WAITING_INBOUND);
    expect(begun).toEqual(range(0, 8));
  });

  it('are all looked after, however often others come', () => {
    const { env, come, closed } = setUp();
    for (const port of range(0, 200)) {
      come(port);
      env.advance(PENDING_TURN_MS / 10);
    }
    expect(closed.size).toBeGreaterThan(40);
  });
});
