import { describe, expect, it } from 'vitest';
import { systemEnv } from '../../src/base/env.ts';
import { PeerlaneError } from '../../src/base/errors.ts';
import { VirtualEnv } from '../../src/base/virtual-env.ts';
import { generateSecretKey, publicKeyOf } from '../../src/crypto/index.ts';
import { type Enode, signRecord } from '../../src/enr/index.ts';
import { BACKOFF_JITTER, MAX_STATIC_BACKOFF_MS } from '../../src/server/dial-backoff.ts';
import { REDIAL_INTERVAL_MS } from '../../src/server/dial-plan.ts';
import type { DialTarget } from '../../src/server/dial-target.ts';
import { Dialer } from '../../src/server/dialer.ts';
import type { DialerOptions } from '../../src/server/dialer-options.ts';
import { HEAD_START_MS } from '../../src/server/dials.ts';
import type { Peer } from '../../src/server/peer.ts';
import { PeerSet } from '../../src/server/peers.ts';
import { rejectionOf } from '../support/errors.ts';

const node = (tcpPort: number): Enode => ({
  publicKey: new Uint8Array(64).fill(tcpPort),
  host: '127.0.0.1',
  tcpPort,
  udpPort: 0,
});
const keyOf = (port: number) => port.toString(16).padStart(2, '0').repeat(64);

/** A dialer whose dials are kept waiting until the test fails them; nodes are named by their ports. */
function dialing({
  maxPending = 50,
  maxDialedPeers = 2,
  ...options
}: Partial<DialerOptions & { readonly maxDialedPeers: number }> = {}) {
  const env = new VirtualEnv();
  const dials: { readonly port: number; readonly at: number }[] = [];
  const failures: (readonly [port: number, redialInMs: number | undefined])[] = [];
  const targets: DialTarget[] = [];
  const forSlots: boolean[] = [];
  const pending = new Map<number, (error: PeerlaneError) => void>();
  const dialer = new Dialer({
    env,
    maxPending,
    peers: new PeerSet({ maxPeers: 10, maxDialedPeers, maxInboundPeers: 10 }),
    connect: (target, signal, takesSlot) => {
      forSlots.push(takesSlot);
      const { tcpPort: port } = target;
      dials.push({ port, at: env.now() });
      targets.push(target);
      return new Promise<Peer>((_, reject) => {
        pending.set(port, reject);
        signal.addEventListener('abort', () => reject(new PeerlaneError('aborted', 'aborted')));
      });
    },
    failed: ({ enode, redialInMs }) => void failures.push([enode.tcpPort, redialInMs]),
    random: () => 0,
    ...options,
  });
  /** Fails the dial to a node, and lets all hear of it. */
  const fail = async (port: number, error = new PeerlaneError('dial-failed', 'nobody there')) => {
    pending.get(port)?.(error);
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { env, dialer, dials, failures, fail, targets, forSlots };
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
  });

  it('says which nodes are to have a slot, whatever else is heard of them while they are dialed', async () => {
    const { dialer, dials, forSlots, fail } = dialing();
    dialer.add(node(1), true);
    dialer.add(node(2), false);
    dialer.start();
    dialer.offer(node(3));
    dialer.dial(keyOf(4), node(4), undefined).catch(() => undefined);
    expect(dials.map(({ port }) => port)).toEqual([1, 2, 3, 4]);
    expect(forSlots).toEqual([false, true, true, false]);
    // It came in while it was dialed, and left.
    dialer.left(keyOf(3), 1000, new PeerlaneError('remote-disconnect', 'it left'));
    expect(dialer.waiting).toMatchObject({ kept: 1, all: 3 });
    await fail(3);
    expect(dialer.waiting).toMatchObject({ kept: 1, all: 2 });
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
    const { dialer, failures, fail, forSlots } = dialing();
    dialer.add(node(1), false);
    dialer.start();
    await fail(1);
    expect(failures).toEqual([[1, undefined]]);
    expect(forSlots).toEqual([true]);
  });

  it('counts dials that are in progress as slots, and gives the slot on when one fails', async () => {
    const { dialer, dials, fail } = dialing({ maxDialedPeers: 2 });
    for (const port of [1, 2, 3]) dialer.add(node(port), false);
    dialer.start();
    expect(dials.map(({ port }) => port)).toEqual([1, 2]);
    await fail(1);
    expect(dials.map(({ port }) => port)).toEqual([1, 2, 3]);
  });

  it.each(['static', 'given', 'found', "a caller's"])('plans once when a dial fails: %s', async (whose) => {
    let plans = 0;
    const { dialer, failures, fail } = dialing({ planned: () => void plans++ });
    dialer.start();
    if (whose === 'found') dialer.offer(node(1));
    else if (whose === "a caller's") dialer.dial(keyOf(1), node(1), undefined).catch(() => undefined);
    else dialer.add(node(1), whose === 'static');
    plans = 0;
    await fail(1);
    expect(plans).toBe(1);
    // A caller hears of it by itself.
    expect(failures).toHaveLength(whose === "a caller's" ? 0 : 1);
    expect(dialer.pending).toBe(0);
  });

  it('plans once when a dial leads to a peer', async () => {
    let plans = 0;
    let lead: (peer: Peer) => void = () => undefined;
    const connect = () =>
      new Promise<Peer>((resolve) => {
        lead = resolve;
      });
    const { dialer } = dialing({ connect, planned: () => void plans++ });
    dialer.add(node(1), true);
    dialer.start();
    plans = 0;
    lead({} as Peer);
    await new Promise((resolve) => setImmediate(resolve));
    expect([plans, dialer.pending]).toEqual([1, 0]);
  });

  it('dials a static node as soon as a dial ends when as many as may be are in progress', async () => {
    const { dialer, dials, fail } = dialing({ maxPending: 1 });
    for (const port of [1, 2]) dialer.add(node(port), true);
    dialer.start();
    expect(dials.map(({ port }) => port)).toEqual([1]);
    await fail(1);
    expect(dials.map(({ port }) => port)).toEqual([1, 2]);
  });

  it.each(['given', 'found'])(
    'dials others, %s, too while nobody answers for many static nodes',
    async (kind) => {
      const { env, dialer, dials, fail } = dialing({ maxPending: 2 });
      for (let port = 1; port <= 9; port++) dialer.add(node(port), true);
      if (kind === 'given') dialer.add(node(10), false);
      dialer.start();
      for (let i = 0; i < 12; i++) {
        if (kind === 'found' && dialer.demand > 0) dialer.offer(node(10));
        env.advance(15_000);
        for (const { port } of dials.slice(-2)) await fail(port);
      }
      expect(dials.filter(({ port }) => port === 10).length).toBeGreaterThanOrEqual(kind === 'given' ? 3 : 1);
      expect(new Set(dials.map(({ port }) => port)).size).toBe(10);
    },
  );

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

  it.each([true, false])('dials a node when it is not shunned any more, a static one: %s', (isStatic) => {
    let until = 600_000;
    const { env, dialer, dials } = dialing({ shunnedForMs: () => Math.max(0, until - env.now()) });
    dialer.add(node(1), isStatic);
    dialer.start();
    expect(dials).toEqual([]);
    expect(dialer.redialInMs(keyOf(1))).toBe(isStatic ? until : undefined);
    env.advance(until - 1);
    expect(dials).toEqual([]);
    // The end has moved, as that of a ban does when the clock is set back.
    until += 1000;
    env.advance(1);
    expect(dials).toEqual([]);
    env.advance(1000);
    expect(dials).toEqual([{ port: 1, at: until }]);
  });

  it('dials whom the user has taken back, or all at an address, as if they had never failed', async () => {
    const { env, dialer, dials, fail } = dialing();
    const useless = new PeerlaneError('genesis-mismatch', 'another chain');
    for (const port of [1, 2, 3]) dialer.add({ ...node(port), host: `127.0.0.${port === 3 ? 3 : 1}` }, true);
    dialer.start();
    for (const port of [1, 2, 3]) await fail(port, useless);
    env.advance(35_000);
    expect(dials).toHaveLength(3);
    dialer.forgive({ kind: 'ip', name: '127.0.0.3' });
    dialer.forgive({ kind: 'node', name: keyOf(1) });
    expect(dials.slice(3).map(({ port }) => port)).toEqual([3, 1]);
  });

  it('takes a found node again that the user has taken back', async () => {
    const { env, dialer, dials, fail } = dialing();
    dialer.start();
    dialer.offer(node(1));
    await fail(1, new PeerlaneError('genesis-mismatch', 'another chain'));
    env.advance(35_000);
    expect(dialer.leavesOut(keyOf(1))).toBe(true);
    dialer.forgive({ kind: 'node', name: keyOf(1) });
    dialer.offer(node(1));
    expect(dials).toHaveLength(2);
  });

  it('dials so many of the nodes that were found in one network, and the next when one of these is gone', async () => {
    const { dialer, dials, fail } = dialing({ maxDialedPeers: 10 });
    dialer.start();
    const at = (port: number, host: string): Enode => ({ ...node(port), host });
    for (let port = 1; port <= 8; port++) dialer.offer(at(port, '12.0.0.1'));
    expect(dials.map(({ port }) => port)).toEqual([1, 2]);
    dialer.offer(at(9, '12.0.1.1'));
    await fail(1);
    for (let port = 3; port <= 8; port++) dialer.offer(at(port, '12.0.0.1'));
    expect(dials.map(({ port }) => port)).toEqual([1, 2, 9, 3]);
  });

  it('leaves no long wait to a node that the user names as static', async () => {
    const { env, dialer, dials, fail } = dialing();
    const useless = new PeerlaneError('genesis-mismatch', 'another chain');
    dialer.add(node(1), false);
    dialer.start();
    dialer.offer(node(2));
    await fail(1, useless);
    await fail(2, useless);
    env.advance(1000);
    dialer.add(node(1), true);
    dialer.add(node(2), true);
    expect(dials).toHaveLength(2);
    env.advance(REDIAL_INTERVAL_MS);
    expect(dials.slice(2).map(({ port }) => port)).toEqual([1, 2]);
    expect(dialer.keeps(keyOf(2))).toBe(true);
    // Named again, it has its own wait.
    await fail(1, useless);
    dialer.add(node(1), true);
    expect(dialer.redialInMs(keyOf(1))).toBe(MAX_STATIC_BACKOFF_MS / (1 + BACKOFF_JITTER));
  });

  it('tells a node that was named while it was dialed what became of the dial', async () => {
    const { dialer, fail } = dialing();
    dialer.start();
    dialer.offer(node(1));
    dialer.add(node(1), true);
    await fail(1, new PeerlaneError('genesis-mismatch', 'another chain'));
    expect(dialer.redialInMs(keyOf(1))).toBe(MAX_STATIC_BACKOFF_MS / (1 + BACKOFF_JITTER));
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

  it('waits for longer before each dial of a node that is useless, and less long when nobody is there', async () => {
    const useless = dialing();
    useless.dialer.add(node(1), true);
    useless.dialer.start();
    await useless.fail(1, new PeerlaneError('fork-id-mismatch', 'another chain'));
    const lonely = dialing();
    lonely.dialer.add(node(1), true);
    lonely.dialer.start();
    for (let i = 0; i < 4; i++) {
      await lonely.fail(1);
      lonely.env.advance(35_000);
    }
    expect(useless.failures).toEqual([[1, 240_000]]);
    expect(lonely.failures).toEqual(Array(4).fill([1, 35_000]));
  });

  /** The node of one port, at another. */
  const moved = (port: number, tcpPort: number) => ({ ...node(port), tcpPort });
  const ports = (dials: readonly { readonly port: number }[]) => dials.map(({ port }) => port);

  it('dials for a caller where the caller says, soon after it has dialed elsewhere in vain or not yet in vain', async () => {
    const { env, dialer, dials, fail } = dialing();
    for (const port of [1, 2]) dialer.add(node(port), true);
    dialer.start();
    const late = rejectionOf(dialer.dial(keyOf(1), moved(1, 11), undefined));
    const soon = rejectionOf(dialer.dial(keyOf(2), moved(2, 12), undefined));
    await fail(2);
    expect(ports(dials)).toEqual([1, 2, 12]);
    env.advance(HEAD_START_MS - 1);
    expect(dials).toHaveLength(3);
    env.advance(1);
    await new Promise((resolve) => setImmediate(resolve));
    expect(ports(dials)).toEqual([1, 2, 12, 11]);
    expect(dialer.pending).toBe(3);
    await fail(1);
    await fail(11, new PeerlaneError('dial-timeout', 'nobody answers'));
    await fail(12, new PeerlaneError('remote-disconnect', 'it has no slot'));
    expect([await late, await soon]).toEqual(['dial-timeout', 'remote-disconnect']);
    expect(dialer.pending).toBe(0);
  });

  it('dials no place twice at a time, whoever wants it, and leaves a dial to who wants it still', async () => {
    const { env, dialer, dials, fail } = dialing();
    dialer.add({ ...node(1), alternatives: [{ host: '127.0.0.1', port: 11 }] }, true);
    dialer.start();
    const codes = [node(1), moved(1, 11), moved(1, 12), moved(1, 12)].map((target) =>
      rejectionOf(dialer.dial(keyOf(1), target, undefined)),
    );
    const given = new AbortController();
    codes.push(rejectionOf(dialer.dial(keyOf(1), moved(1, 12), given.signal)));
    env.advance(HEAD_START_MS);
    await new Promise((resolve) => setImmediate(resolve));
    given.abort();
    await fail(1, new PeerlaneError('dial-failed', 'a'));
    await fail(12, new PeerlaneError('dial-timeout', 'b'));
    expect(ports(dials)).toEqual([1, 12]);
    const [failed, timeout] = ['dial-failed', 'dial-timeout'];
    expect(await Promise.all(codes)).toEqual([failed, failed, timeout, timeout, 'aborted']);
  });

  it('begins no dial for a caller after it was closed', async () => {
    const { env, dialer, dials } = dialing();
    dialer.add(node(1), true);
    dialer.start();
    const code = rejectionOf(dialer.dial(keyOf(1), moved(1, 11), undefined));
    dialer.close();
    expect(await code).toBe('closed');
    expect([ports(dials), env.timers]).toEqual([[1], 0]);
  });

  it('says of a dial that its end cuts off that it is closed, for nobody has aborted it', async () => {
    const { dialer, fail } = dialing();
    dialer.start();
    const ended = new AbortController();
    const [code, aborted] = [undefined, ended.signal].map((signal, i) =>
      rejectionOf(dialer.dial(keyOf(1 + i), node(1 + i), signal)),
    );
    ended.abort();
    dialer.close();
    for (const port of [1, 2]) await fail(port, new PeerlaneError('aborted', 'the operation was aborted'));
    expect([await code, await aborted]).toEqual(['closed', 'aborted']);
  });

  it('dials a node that the user names at another address there at once', async () => {
    const { dialer, dials, fail, failures } = dialing();
    for (const port of [1, 2]) dialer.add(node(port), true);
    dialer.start();
    await fail(1, new PeerlaneError('genesis-mismatch', 'another chain'));
    dialer.add(moved(1, 11), true);
    expect(ports(dials)).toEqual([1, 2, 11]);
    // While it is being dialed where it is not.
    dialer.add(moved(2, 12), true);
    await new Promise((resolve) => setImmediate(resolve));
    expect(ports(dials)).toEqual([1, 2, 11, 12]);
    expect(failures.map(([port]) => port)).toEqual([1, 2]);
    // A caller waits for that one.
    const code = rejectionOf(dialer.dial(keyOf(2), moved(2, 12), undefined));
    dialer.add(moved(2, 22), true);
    await fail(12, new PeerlaneError('genesis-mismatch', 'another chain'));
    expect(await code).toBe('genesis-mismatch');
    expect(ports(dials)).toEqual([1, 2, 11, 12, 22]);
  });

  it('tries the places of a node in turn', async () => {
    const { env, dialer, targets, fail } = dialing();
    dialer.add({ ...node(1), alternatives: [{ host: '::1', port: 2 }] }, true);
    dialer.start();
    await fail(1);
    env.advance(35_000);
    await fail(2);
    env.advance(35_000);
    expect(targets.map(({ host, alternatives }) => [host, alternatives?.[0]?.host])).toEqual([
      ['127.0.0.1', '::1'],
      ['::1', '127.0.0.1'],
      ['127.0.0.1', '::1'],
    ]);
  });

  it('asks where a node is that cannot be reached, and dials it there at once', async () => {
    const key = generateSecretKey(systemEnv);
    const record = signRecord(key, { seq: 1n, entries: { ip: '127.0.0.9', tcp: 9 } });
    const asked: Uint8Array[] = [];
    const moved: DialTarget[] = [];
    const { env, dialer, dials, fail, targets } = dialing({
      resolve: async (publicKey) => {
        asked.push(publicKey);
        return record;
      },
      moved: (target) => void moved.push(target),
    });
    const publicKey = publicKeyOf(key);
    dialer.add({ ...node(1), publicKey }, true);
    dialer.start();
    await fail(1);
    expect(asked).toEqual([publicKey]);
    expect(dials).toEqual([
      { port: 1, at: 0 },
      { port: 9, at: 0 },
    ]);
    expect(targets[1]).toMatchObject({ host: '127.0.0.9', alternatives: [{ host: '127.0.0.1', port: 1 }] });
    expect(moved).toHaveLength(1);
    // What is known already is not news, and nobody is asked all the time.
    await fail(9);
    expect([moved.length, asked.length]).toEqual([1, 1]);
    env.advance(60_000);
    await fail(1);
    expect([moved.length, asked.length]).toEqual([1, 2]);
  });

  it('tells of a node that was found and whose network has its part of the slots', () => {
    const crowded: number[] = [];
    const { dialer, dials } = dialing({
      maxDialedPeers: 5,
      crowded: ({ tcpPort }) => void crowded.push(tcpPort),
    });
    dialer.start();
    for (const [port, host] of [
      [1, '9.9.9.1'],
      [2, '9.9.9.2'],
      [3, '9.9.8.3'],
    ] as const)
      dialer.offer({ ...node(port), host });
    expect(dials.map(({ port }) => port)).toEqual([1, 3]);
    expect(crowded).toEqual([2]);
  });

  it.each([
    ['nobody where a node is that was reached and is useless', 'genesis-mismatch', 0],
    ['where a node is at whose address somebody else answers', 'unexpected-identity', 1],
  ] as const)('asks %s', async (_, code, times) => {
    const asked: Uint8Array[] = [];
    const { dialer, fail } = dialing({
      resolve: async (publicKey) => {
        asked.push(publicKey);
        return undefined;
      },
    });
    dialer.add(node(1), true);
    dialer.start();
    await fail(1, new PeerlaneError(code, 'it is another'));
    expect(asked).toEqual(new Array(times).fill(node(1).publicKey));
  });

  it('looks in a round at those that may be dialed, and not at a thousand that wait', async () => {
    let asked = 0;
    const shunnedForMs = (): number => {
      asked++;
      return 0;
    };
    const { dialer, dials, fail } = dialing({ maxPending: 2_000, shunnedForMs });
    for (let port = 1; port <= 1_000; port++) {
      const publicKey = new Uint8Array(64).fill(port >> 8, 0, 32).fill(port & 255, 32);
      dialer.add({ ...node(port), publicKey }, true);
    }
    dialer.start();
    expect([dials.length, asked]).toEqual([1_000, 1_000]);
    for (let port = 1; port <= 1_000; port++) await fail(port);
    asked = 0;
    dialer.plan();
    // The next one that is due.
    expect(asked).toBe(1);
  });
});
