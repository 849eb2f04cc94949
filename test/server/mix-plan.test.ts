import { describe, expect, it } from 'vitest';
import {
  FALLBACK_AFTER_MS,
  failedRest,
  idleRest,
  MAX_FAILED_REST_MS,
  MAX_IDLE_REST_MS,
  type MixRound,
  planSources,
  type SourceTurn,
} from '../../src/server/mix-plan.ts';

const round = (change: Partial<MixRound>): MixRound => ({
  ...{ now: 100_000, sources: [], room: 16, startedAt: 0, wantedSince: 0, quietSince: 99_000 },
  ...change,
});
const source = (change: Partial<SourceTurn> = {}): SourceTurn => ({
  ...{ isFallback: false, isAsked: false, restsUntil: -Infinity, turn: 0 },
  ...change,
});
const dns = source({ isFallback: true });

describe('a round of the mix', () => {
  it.each<[string, Partial<MixRound>, number[], number]>([
    ['asks nobody where there is nobody', {}, [], Infinity],
    ['asks all that are free', { sources: [source(), source()] }, [0, 1], Infinity],
    ['waits for who is asked', { sources: [source({ isAsked: true }), source()] }, [1], Infinity],
    [
      'asks who was asked longest ago first',
      { sources: [source({ turn: 7 }), source({ turn: 3 })] },
      [1, 0],
      Infinity,
    ],
    [
      'asks no more than there is room for',
      { sources: [source({ turn: 7 }), source()], room: 1 },
      [1],
      Infinity,
    ],
    ['asks nobody without room', { sources: [source()], room: -1 }, [], Infinity],
    ['lets a source rest', { sources: [source({ restsUntil: 100_500 }), source()] }, [1], 100_500],
    ['leaves the fallback out while others give nodes', { sources: [source(), dns] }, [0], 129_000],
    [
      'asks the fallback when they have given none for 30 s',
      { sources: [source(), dns], quietSince: 70_000 },
      [0, 1],
      Infinity,
    ],
    [
      'asks the fallback when nodes are wanted for five minutes, whatever the others give',
      { now: 400_000, sources: [source(), dns], wantedSince: 100_000, quietSince: 399_000 },
      [0, 1],
      Infinity,
    ],
    [
      'looks again when those are over',
      { now: 390_000, sources: [source(), dns], wantedSince: 100_000, quietSince: 389_000 },
      [0],
      400_000,
    ],
    ['asks the fallback at the start', { sources: [source(), dns], startedAt: 70_001 }, [0, 1], Infinity],
    ['asks a fallback that is alone', { sources: [dns] }, [0], Infinity],
    [
      'lets the fallback rest all the same',
      { sources: [source({ isAsked: true }), { ...dns, restsUntil: 200_000 }], startedAt: 90_000 },
      [],
      200_000,
    ],
  ])('%s', (_, change, ask, nextAt) => {
    expect(planSources(round(change))).toEqual({ ask, nextAt });
  });

  it('gives the fallback 30 s', () => {
    expect(FALLBACK_AFTER_MS).toBe(30_000);
  });

  it('lets sources that are of no use rest for longer and longer, within bounds', () => {
    expect([0, 1, 2, 3, 4, 5000].map(idleRest)).toEqual([
      1_000,
      2_000,
      4_000,
      8_000,
      MAX_IDLE_REST_MS,
      MAX_IDLE_REST_MS,
    ]);
    expect([1, 2, 3, 5000].map(failedRest)).toEqual([1_000, 2_000, 4_000, MAX_FAILED_REST_MS]);
  });
});
