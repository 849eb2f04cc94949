import { describe, expect, it, vi } from 'vitest';
import type { PeerlaneError } from '../../src/base/errors.ts';
import { VirtualEnv } from '../../src/base/virtual-env.ts';
import type { Wire } from '../../src/io/tcp.ts';
import type { Connection } from '../../src/server/connection.ts';
import {
  MAX_REMEMBERED_AUTHS,
  MAX_WAITING_INBOUND,
  PENDING_TURN_MS,
  PendingInbound,
} from '../../src/server/pending-inbound.ts';

const LIMIT = 3;

/** Connections by the number of the socket that they came by, and what became of them. */
function setUp(limit = LIMIT) {
  const env = new VirtualEnv();
  const begun: number[] = [];
  const closed = new Map<number, string>();
  const destroyed: number[] = [];
  const connections = new Map<number, Connection>();
  const identified = new Set<number>();
  const pending: PendingInbound = new PendingInbound({
    limit,
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
  const come = (remotePort: number, remoteAddress = '9.9.9.9') =>
    pending.accept({ remotePort, remoteAddress, destroy: () => void destroyed.push(remotePort) } as Wire);
  const leave = (port: number) => {
    const connection = connections.get(port);
    if (connection !== undefined) pending.delete(connection);
  };
  /** An auth of a nonce that is the number. */
  const auth = (port: number, nonce: number) => {
    identified.add(port);
    const connection = connections.get(port);
    if (connection !== undefined) pending.identified(connection, Uint8Array.of(nonce >> 8, nonce & 0xff));
  };
  return { env, pending, come, leave, auth, begun, closed, destroyed, identified };
}

const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);

describe('inbound connections that are no peers yet', () => {
  it('are heard before one makes room, where this process has stood still', () => {
    const { env, come, auth, closed } = setUp();
    for (const port of range(0, LIMIT + 1)) come(port);
    // What came meanwhile is read behind the timers that are due.
    env.setTimer(PENDING_TURN_MS, () => auth(0, 1));
    env.advance(PENDING_TURN_MS);
    expect([...closed]).toEqual([[1, 'pending-replaced']]);
  });

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

describe('many of one network', () => {
  const NETWORKS = [
    ['a /24', (i: number) => `9.9.9.${i % 256}`],
    ['an IPv6 /48', (i: number) => `2a01:1:2:${i.toString(16)}::1`],
    ['one address in a LAN', () => '192.168.1.1'],
  ] as const;

  it.each(NETWORKS)('keep nobody else waiting: those of %s', (_, ip) => {
    const { env, come, begun } = setUp(10);
    for (const i of range(0, 200)) come(i, ip(i));
    for (const i of range(0, 3)) come(1000 + i, `8.8.${i}.8`);
    env.advance(PENDING_TURN_MS);
    expect(begun.slice(0, 13)).toEqual([...range(0, 10), 1000, 1001, 1002]);
    expect(begun).toHaveLength(20);
  });

  it.each(NETWORKS)('turn nobody else out, who may take his time: those of %s', (_, ip) => {
    const { env, come, closed, auth, identified } = setUp(10);
    come(1000, '8.8.8.8');
    identified.add(1000);
    // Silent so far.
    come(1001, '7.7.7.7');
    for (const i of range(0, 400)) {
      come(i, ip(i));
      auth(i, i);
      env.advance(10);
    }
    expect(closed.size).toBeGreaterThan(100);
    expect([1000, 1001].map((port) => closed.has(port))).toEqual([false, false]);
  });

  it('also where so many come at once that none has a turn', () => {
    const { come, begun, closed } = setUp(10);
    come(1000, '8.8.8.8');
    for (const i of range(0, 2 * MAX_WAITING_INBOUND)) come(i);
    expect(closed.size).toBeGreaterThan(MAX_WAITING_INBOUND - 20);
    expect(closed.has(1000)).toBe(false);
    come(1001, '7.7.7.7');
    expect(begun.at(-1)).toBe(1001);
    for (const i of range(0, 20)) come(2000 + i);
    expect(closed.has(1001)).toBe(false);
  });

  it('take turns with those of others, which have as much however many they are', () => {
    const { env, come, begun } = setUp(10);
    for (const i of range(0, 100))
      for (const network of [1, 2, 3]) come(1000 * network + i, `9.9.${network}.9`);
    for (const i of range(0, 4)) come(i, '8.8.8.8');
    env.advance(2 * PENDING_TURN_MS);
    const times = [0, 1, 2, 3].map((network) => begun.filter((port) => Math.floor(port / 1000) === network));
    expect(times[0]).toEqual(range(0, 4));
    for (const those of times.slice(1)) expect(those.length).toBeGreaterThan(6);
  });

  it('where several have their share, and identities: one of the largest goes when its turn is over', () => {
    const { env, come, closed, auth, identified } = setUp(10);
    come(1000, '8.8.8.8');
    identified.add(1000);
    for (const i of range(0, 400)) {
      come(i, `9.9.${i % 5}.9`);
      auth(i, i);
      env.advance(10);
    }
    expect(closed.size).toBeGreaterThan(100);
    expect(closed.has(1000)).toBe(false);
    // Of silent ones each is alone.
    identified.clear();
    come(2000, '9.9.1.9');
    env.advance(PENDING_TURN_MS);
    expect(closed.has(1000)).toBe(true);
  });

  it('and one that stays cost no time while nobody may leave', () => {
    const { env, come, identified } = setUp(10);
    come(1000, '8.8.8.8');
    identified.add(1000);
    env.advance(10 * PENDING_TURN_MS);
    for (const i of range(0, 20)) come(i);
    const timers = vi.spyOn(env, 'setTimer');
    env.advance(PENDING_TURN_MS - 1);
    expect(timers.mock.calls.length).toBeLessThan(3);
  });
});

describe('an auth that has come before', () => {
  it('is worth no more than silence', () => {
    const { env, come, auth, closed } = setUp();
    for (const port of range(0, 5)) come(port, `${port}.9.9.9`);
    for (const port of range(0, 3)) auth(port, port === 2 ? 1 : port);
    env.advance(PENDING_TURN_MS);
    expect([...closed.keys()]).toEqual([2, 0]);
  });

  it('is forgotten when many others have come', () => {
    const { env, come, leave, auth, closed } = setUp();
    come(0, '1.9.9.9');
    for (const i of range(1, MAX_REMEMBERED_AUTHS + 2)) {
      come(i, '2.9.9.9');
      auth(i, i);
      leave(i);
    }
    // The first of them, and then the second, which is remembered.
    for (const [port, nonce] of [
      [5001, 1],
      [5002, 3],
    ] as const) {
      come(port, `${port - 5000}.8.8.8`);
      auth(port, nonce);
    }
    auth(0, 4000);
    come(5003, '3.8.8.8');
    env.advance(PENDING_TURN_MS);
    expect([...closed.keys()]).toEqual([5002]);
  });
});
