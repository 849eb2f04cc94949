import { describe, expect, it } from 'vitest';
import { PeerlaneError } from '../../src/base/errors.ts';
import { VirtualEnv } from '../../src/base/virtual-env.ts';
import type { Enode } from '../../src/enr/index.ts';
import { Dialer } from '../../src/server/dialer.ts';
import type { Peer } from '../../src/server/peer.ts';
import { PeerSet } from '../../src/server/peers.ts';

const node = (tcpPort: number): Enode => ({
  publicKey: new Uint8Array(64).fill(tcpPort),
  host: '127.0.0.1',
  tcpPort,
  udpPort: 0,
});
const keyOf = (port: number) => port.toString(16).padStart(2, '0').repeat(64);

/** A dialer whose dials are kept waiting until the test fails them; nodes are named by their ports. */
function dialing({ maxPending = 50, maxDialedPeers = 2 } = {}) {
  const env = new VirtualEnv();
  const dials: { readonly port: number; readonly at: number }[] = [];
  const failures: (readonly [port: number, redialInMs: number | undefined])[] = [];
  const pending = new Map<number, (error: PeerlaneError) => void>();
  const dialer = new Dialer({
    env,
    maxPending,
    peers: new PeerSet({ maxPeers: 10, maxDialedPeers }),
    connect: ({ tcpPort: port }, signal) => {
      dials.push({ port, at: env.now() });
      return new Promise<Peer>((_, reject) => {
        pending.set(port, reject);
        signal.addEventListener('abort', () => reject(new PeerlaneError('aborted', 'aborted')));
      });
    },
    failed: ({ enode, redialInMs }) => void failures.push([enode.tcpPort, redialInMs]),
  });
  /** Fails the dial to a node, and lets all hear of it. */
  const fail = async (port: number) => {
    pending.get(port)?.(new PeerlaneError('dial-failed', 'nobody there'));
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { env, dialer, dials, failures, fail };
}

describe('a dialer', () => {
  it('dials nobody before it is started', () => {
    const { dialer, dials } = dialing();
    dialer.add(node(1), true);
    expect(dials).toEqual([]);
    dialer.start();
    expect(dials).toEqual([{ port: 1, at: 0 }]);
  });

  it('dials a node once, however often it is added', () => {
    const { dialer, dials } = dialing();
    dialer.start();
    for (const isStatic of [false, true, false]) dialer.add(node(1), isStatic);
    expect(dials).toHaveLength(1);
    expect(dialer.keeps(keyOf(1))).toBe(true);
    expect(dialer.needsSlot(keyOf(1))).toBe(false);
  });

  it('dials a static node again at the time that it has named', async () => {
    const { env, dialer, dials, failures, fail } = dialing();
    dialer.add(node(1), true);
    dialer.start();
    env.advance(15_000);
    await fail(1);
    expect(failures).toEqual([[1, 20_000]]);
    env.advance(19_999);
    expect(dialer.redialInMs(keyOf(1))).toBe(1);
    expect(dials).toHaveLength(1);
    env.advance(1);
    expect(dials[1]).toEqual({ port: 1, at: 35_000 });
  });

  it('promises nothing for a node that needs a slot', async () => {
    const { dialer, failures, fail } = dialing();
    dialer.add(node(1), false);
    dialer.start();
    await fail(1);
    expect(failures).toEqual([[1, undefined]]);
    expect(dialer.needsSlot(keyOf(1))).toBe(true);
  });

  it('counts dials that are in progress as slots, and gives the slot on when one fails', async () => {
    const { dialer, dials, fail } = dialing({ maxDialedPeers: 2 });
    for (const port of [1, 2, 3]) dialer.add(node(port), false);
    dialer.start();
    expect(dials.map(({ port }) => port)).toEqual([1, 2]);
    await fail(1);
    expect(dials.map(({ port }) => port)).toEqual([1, 2, 3]);
  });

  it('dials a static node as soon as a dial ends when as many as may be are in progress', async () => {
    const { dialer, dials, fail } = dialing({ maxPending: 1 });
    for (const port of [1, 2]) dialer.add(node(port), true);
    dialer.start();
    expect(dials.map(({ port }) => port)).toEqual([1]);
    await fail(1);
    expect(dials.map(({ port }) => port)).toEqual([1, 2]);
  });

  it('ends the dial to a node that is removed, and does not dial it again', async () => {
    const { env, dialer, dials, failures, fail } = dialing();
    dialer.add(node(1), true);
    dialer.start();
    dialer.remove(keyOf(1));
    await fail(1);
    expect(failures).toEqual([[1, undefined]]);
    env.advance(100_000);
    expect(dials).toHaveLength(1);
    expect(env.timers).toBe(0);
  });

  it('leaves no timer and begins no dial when it is closed', async () => {
    const { env, dialer, dials, failures, fail } = dialing();
    for (const port of [1, 2]) dialer.add(node(port), true);
    dialer.start();
    await fail(1);
    expect(env.timers).toBe(1);
    dialer.close();
    await fail(2);
    expect(failures).toEqual([
      [1, 35_000],
      [2, undefined],
    ]);
    expect(env.timers).toBe(0);
    expect(dials).toHaveLength(2);
  });
});
