import { describe, expect, it } from 'vitest';
import { VirtualEnv } from '../../src/base/virtual-env.ts';
import { EVICTION_INTERVAL_MS, IDLE_MS, MAX_EVICTION_INTERVAL_MS } from '../../src/server/eviction.ts';
import { Evictor } from '../../src/server/evictor.ts';
import type { PeerSet } from '../../src/server/peers.ts';
import { BLANK_HISTORY } from '../../src/server/reputation.ts';

/** A server all of whose slots for dialed nodes are taken, by nodes that have been idle for long. */
function idle(count: number, hasOthersToDial: boolean, freeInTheEnd = 0) {
  const env = new VirtualEnv();
  const closed: number[] = [];
  const entries = Array.from({ length: count }, (_, i) => ({
    peer: { info: { id: new Uint8Array(64).fill(i) }, connectedAt: env.now() },
    connection: { inbound: false, usedAt: undefined, close: () => closed.push(i) },
    isStatic: false,
  }));
  const peers = { freeDialSlots: 0, size: count, entries: () => entries };
  const evictor = new Evictor({
    env,
    peers: peers as unknown as PeerSet,
    conduct: { history: () => BLANK_HISTORY, isPenalised: () => false },
    hasOthersToDial: () => hasOthersToDial,
  });
  env.advance(IDLE_MS);
  evictor.dialsPlanned();
  peers.freeDialSlots = freeInTheEnd;
  env.advance(EVICTION_INTERVAL_MS);
  evictor.close();
  return closed.length;
}

/** Two idle peers that have all slots, for a day. @param isBack whether whoever makes room is there again at once; gives when */
function returning(isBack: () => boolean) {
  const env = new VirtualEnv();
  const closed: number[] = [];
  const begun = env.now() + IDLE_MS;
  const entries = [1, 2].map((id) => ({
    peer: { info: { id: new Uint8Array(64).fill(id) }, connectedAt: env.now() },
    connection: { inbound: false, usedAt: undefined, close: () => closed.push(env.now() - begun) },
    isStatic: false,
  }));
  const peers = { freeDialSlots: 0, size: 2, entries: () => entries, get: () => (isBack() ? {} : undefined) };
  const evictor = new Evictor({
    env,
    peers: peers as unknown as PeerSet,
    conduct: { history: () => BLANK_HISTORY, isPenalised: () => false },
    hasOthersToDial: () => true,
  });
  env.advance(IDLE_MS);
  evictor.dialsPlanned();
  env.advance(24 * 60 * 60_000);
  evictor.close();
  return { closed, env: { now: () => env.now() - begun } };
}

describe('a dialed peer that has been idle for long', () => {
  it('makes room for others that may be dialed', () => {
    expect(idle(2, true)).toBe(1);
  });

  it('stays where it is the only one, or there are no others', () => {
    expect([idle(1, true), idle(2, false)]).toEqual([0, 0]);
  });

  it('stays where somebody else has left meanwhile', () => {
    expect(idle(2, true, 1)).toBe(0);
  });

  it('makes room more and more seldom where it is the one that comes back', () => {
    const { closed, env } = returning(() => true);
    const times = closed.map((at) => at / EVICTION_INTERVAL_MS);
    // After each comes a round that only looks who is there, and every second wait is twice as long.
    expect(times.slice(0, 4)).toEqual([1, 4, 10, 22]);
    const gaps = times.slice(1).map((at, i) => at - (times[i] ?? 0));
    expect(Math.max(...gaps) * EVICTION_INTERVAL_MS).toBeLessThanOrEqual(2 * MAX_EVICTION_INTERVAL_MS);
    expect(env.now() - (closed.at(-1) ?? 0)).toBeLessThanOrEqual(2 * MAX_EVICTION_INTERVAL_MS);
  });

  it('makes room each minute where others come', () => {
    const { closed } = returning(() => false);
    expect(closed.slice(0, 3).map((at) => at / EVICTION_INTERVAL_MS)).toEqual([1, 2, 3]);
  });
});
