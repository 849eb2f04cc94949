import { describe, expect, it } from 'vitest';
import { VirtualEnv } from '../../src/base/virtual-env.ts';
import { EVICTION_INTERVAL_MS, IDLE_MS, MAX_EVICTION_INTERVAL_MS } from '../../src/server/eviction.ts';
import { Evictor } from '../../src/server/evictor.ts';
import type { PeerSet } from '../../src/server/peers.ts';

interface Idle {
  readonly count: number;
  readonly hasOthersToDial?: boolean;
  /** Slots that are free again when the round comes. */
  readonly freeInTheEnd?: number;
  /** Whoever makes room is there again at once. */
  readonly isBack?: boolean;
  readonly forMs?: number;
}

/**
 * A server all of whose slots for dialed nodes are taken, by nodes that have been idle for long. Gives when peers make room, from
 * when others are to be dialed on.
 */
function makingRoom({
  count,
  hasOthersToDial = true,
  freeInTheEnd = 0,
  isBack = false,
  forMs = EVICTION_INTERVAL_MS,
}: Idle): number[] {
  const env = new VirtualEnv();
  const closed: number[] = [];
  const begun = env.now() + IDLE_MS;
  const entries = Array.from({ length: count }, (_, i) => ({
    peer: { info: { id: new Uint8Array(64).fill(i) }, connectedAt: env.now() },
    connection: { inbound: false, usedAt: undefined, close: () => closed.push(env.now() - begun) },
    isStatic: false,
  }));
  const get = () => (isBack ? {} : undefined);
  const peers = { freeDialSlots: 0, size: count, entries: () => entries, get };
  const evictor = new Evictor({
    env,
    peers: peers as unknown as PeerSet,
    conduct: { score: () => 0, isPenalised: () => false },
    hasOthersToDial: () => hasOthersToDial,
  });
  env.advance(IDLE_MS);
  evictor.dialsPlanned();
  peers.freeDialSlots = freeInTheEnd;
  env.advance(forMs);
  evictor.close();
  return closed;
}

describe('a dialed peer that has been idle for long', () => {
  it('makes room for others that may be dialed', () => {
    expect(makingRoom({ count: 2 })).toHaveLength(1);
  });

  it('stays where it is the only one, or there are no others', () => {
    expect([makingRoom({ count: 1 }), makingRoom({ count: 2, hasOthersToDial: false })]).toEqual([[], []]);
  });

  it('stays where somebody else has left meanwhile', () => {
    expect(makingRoom({ count: 2, freeInTheEnd: 1 })).toEqual([]);
  });

  it('makes room more and more seldom where it is the one that comes back', () => {
    const forMs = 24 * 60 * 60_000;
    const closed = makingRoom({ count: 2, isBack: true, forMs });
    const times = closed.map((at) => at / EVICTION_INTERVAL_MS);
    // After each comes a round that only looks who is there, and every second wait is twice as long.
    expect(times.slice(0, 4)).toEqual([1, 4, 10, 22]);
    const gaps = times.slice(1).map((at, i) => at - (times[i] ?? 0));
    expect(Math.max(...gaps) * EVICTION_INTERVAL_MS).toBeLessThanOrEqual(2 * MAX_EVICTION_INTERVAL_MS);
    expect(forMs - (closed.at(-1) ?? 0)).toBeLessThanOrEqual(2 * MAX_EVICTION_INTERVAL_MS);
  });

  it('makes room each minute where others come', () => {
    const times = makingRoom({ count: 2, forMs: 3 * EVICTION_INTERVAL_MS });
    expect(times.map((at) => at / EVICTION_INTERVAL_MS)).toEqual([1, 2, 3]);
  });
});
