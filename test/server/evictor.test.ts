import { describe, expect, it } from 'vitest';
import { VirtualEnv } from '../../src/base/virtual-env.ts';
import { EVICTION_INTERVAL_MS, IDLE_MS } from '../../src/server/eviction.ts';
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
});
