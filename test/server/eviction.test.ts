import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PeerlaneError } from '../../src/base/errors.ts';
import {
  EVICTION_INTERVAL_MS,
  EVICTION_SHARE,
  type EvictionCandidate,
  IDLE_MS,
  MIN_STAY_MS,
  PROTECTED_BY_NETWORK,
  PROTECTED_BY_SCORE,
  planEviction,
} from '../../src/server/eviction.ts';
import type { ReputationPolicy } from '../../src/server/reputation.ts';
import { ManualEnv } from '../support/manual-env.ts';
import { echo, endOf, isKind, manual, startedServer } from '../support/servers.ts';

const NOW = 100 * 60 * 60_000;
const peer = (key: string, change: Partial<EvictionCandidate> = {}): EvictionCandidate => ({
  ...{ key, isKept: false, network: undefined, connectedAt: 0, usefulAt: undefined },
  ...{ score: 0, isPenalised: false },
  ...change,
});
const useful = { usefulAt: NOW - IDLE_MS + 1 };

describe('those that make room', () => {
  it.each<[string, EvictionCandidate[], string[]]>([
    ['nobody where nobody is', [], []],
    ['the one that is idle', [peer('a', useful), peer('b')], ['b']],
    ['the one that is idle for the longest', [peer('a', { usefulAt: 5 }), peer('b', { usefulAt: 4 })], ['b']],
    ['no useful one', [peer('a', useful), peer('b', useful)], []],
    ['no static one', [peer('a', { isKept: true }), peer('b', useful)], []],
    ['no new one', [peer('a', { connectedAt: NOW - MIN_STAY_MS + 1, isPenalised: true })], []],
    ['none that is new and has had no time', [peer('a', { connectedAt: NOW - IDLE_MS + 1 })], []],
    ['a bad one, useful as it may be', [peer('a'), peer('b', { ...useful, isPenalised: true })], ['b']],
    ['none of good score', [peer('a', { score: 1 })], []],
    [
      'none that stands for its network',
      [peer('a', { network: 'x' }), peer('b', { network: 'x', connectedAt: 1 })],
      ['b'],
    ],
    ['the newest of those that may', [peer('a', { connectedAt: 2 }), peer('b', { connectedAt: 1 })], ['b']],
  ])('%s', (_, peers, expected) => {
    expect(planEviction(peers, NOW)).toEqual(expected);
  });

  it('are a few at a time', () => {
    const peers = Array.from({ length: 100 }, (_, i) => peer(`${i}`));
    expect(planEviction(peers, NOW)).toHaveLength(100 / EVICTION_SHARE);
  });

  it('are not of the best, nor of all networks', () => {
    const good = Array.from({ length: 10 }, (_, i) => peer(`good${i}`, { score: i + 1 }));
    expect(planEviction(good, NOW)).not.toContain('good9');
    const rest = (peers: EvictionCandidate[]): number => {
      let left = peers;
      for (let gone = planEviction(left, NOW); gone.length > 0; gone = planEviction(left, NOW)) {
        left = left.filter(({ key }) => !gone.includes(key));
      }
      return left.length;
    };
    expect(rest(good)).toBe(PROTECTED_BY_SCORE);
    expect(rest(Array.from({ length: 30 }, (_, i) => peer(`${i}`, { network: `${i % 20}` })))).toBe(
      PROTECTED_BY_NETWORK,
    );
  });

  it('are never static, new or useful ones, unless these are bad', () => {
    const candidate = fc.record({
      isKept: fc.boolean(),
      network: fc.option(fc.constantFrom('x', 'y', 'z'), { nil: undefined }),
      connectedAt: fc.integer({ min: NOW - 2 * IDLE_MS, max: NOW }),
      usefulAt: fc.option(fc.integer({ min: NOW - 2 * IDLE_MS, max: NOW }), { nil: undefined }),
      score: fc.integer({ min: -200, max: 30 }),
      isPenalised: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(candidate, { maxLength: 100 }), (all) => {
        const peers = all.map((one, i) => ({ ...one, key: `${i}` }));
        const gone = planEviction(peers, NOW);
        expect(gone.length).toBeLessThanOrEqual(Math.max(1, all.length / EVICTION_SHARE));
        for (const key of gone) {
          const { isKept, connectedAt, usefulAt = 0, isPenalised } = peers[Number(key)] ?? peer('');
          expect(isKept).toBe(false);
          expect(NOW - connectedAt).toBeGreaterThanOrEqual(MIN_STAY_MS);
          if (!isPenalised) expect(NOW - usefulAt).toBeGreaterThanOrEqual(IDLE_MS);
        }
      }),
    );
  });
});

describe('a full server', () => {
  it('has an idle peer make room when others are refused, and keeps the useful one', async () => {
    const env = new ManualEnv();
    const { protocol, next } = manual();
    const server = await startedServer({ maxPeers: 2, env, protocols: [echo] });
    // Their clocks stand, so that they do not ask whether the server is still there.
    const [idle, busy, third] = await Promise.all([
      startedServer({ env: new ManualEnv(), protocols: [protocol] }),
      startedServer({ env: new ManualEnv(), protocols: [protocol] }),
      startedServer({ env: new ManualEnv() }),
    ]);
    const first = await idle.dial(server.enode);
    await next();
    await busy.dial(server.enode);
    const channel = await next();
    await server.until(() => server.peers.length === 2);
    await env.pass(IDLE_MS);
    await channel.send(1, Uint8Array.of(1));
    await channel[Symbol.asyncIterator]().next();
    // Nobody was refused: nobody goes.
    await env.pass(2 * EVICTION_INTERVAL_MS);
    expect(server.peers).toHaveLength(2);
    expect(await third.dial(server.enode).catch(({ code }) => code)).toBe('remote-disconnect');
    await server.until(isKind('connection-failed'));
    await env.pass(EVICTION_INTERVAL_MS);
    const end = await endOf(first);
    expect(end instanceof PeerlaneError && end.details.reason).toBe('too-many-peers');
    await server.until(isKind('peer-disconnected'));
    await third.dial(server.enode);
    expect(channel.signal.aborted).toBe(false);
  });

  it.each<[string, ReputationPolicy, string[]]>([
    ['stays with a policy that keeps it', () => ({ kind: 'keep' }), []],
    [
      'goes with one that finds it bad',
      () => ({ kind: 'penalise', forMs: 24 * 3_600_000, reason: 'no answers' }),
      ['bad-reputation'],
    ],
  ])('has a peer of bad score, of use as it is: it %s', async (_, policy, codes) => {
    const env = new ManualEnv();
    const server = await startedServer({ maxPeers: 2, env, policy });
    const [bad, good, third] = await Promise.all([
      startedServer({ env: new ManualEnv() }),
      startedServer({ env: new ManualEnv() }),
      startedServer({ env: new ManualEnv() }),
    ]);
    await bad.dial(server.enode);
    await good.dial(server.enode);
    await server.until(() => server.peers.length === 2);
    const [peer] = server.peers;
    for (let i = 0; i < 6; i++) peer?.report('timeout');
    await env.pass(MIN_STAY_MS);
    await third.dial(server.enode).catch(({ code }) => code);
    await server.until(isKind('connection-failed'));
    await env.pass(EVICTION_INTERVAL_MS);
    if (codes.length > 0) await server.until(isKind('peer-disconnected'));
    const gone = server.seen.filter(isKind('peer-disconnected')).map(({ error }) => error.code);
    expect(gone).toEqual(codes);
  });
});
