import { describe, expect, it } from 'vitest';
import { type DialRound, planDials } from '../../src/server/index.ts';

const round = (change: Partial<DialRound>): DialRound => ({
  now: 100_000,
  candidates: [],
  busy: new Set(),
  pending: 0,
  maxPending: 50,
  freeSlots: 10,
  planned: 0,
  ...change,
});
const node = (key: string, isStatic = false, dueAt = -Infinity) => ({ key, isStatic, dueAt });
const statics = (count: number) => Array.from({ length: count }, (_, i) => node(`s${i}`, true));

describe('a round of dialing', () => {
  it.each<[string, Partial<DialRound>, string[], number]>([
    ['has nothing to do without candidates', {}, [], Infinity],
    ['dials whom it may', { candidates: [node('a'), node('b')] }, ['a', 'b'], Infinity],
    [
      'leaves out who is connected or being dialed',
      { candidates: [node('a'), node('b')], busy: new Set(['a']) },
      ['b'],
      Infinity,
    ],
    ['dials static nodes first', { candidates: [node('a'), node('s', true)] }, ['s', 'a'], Infinity],
    [
      'dials static nodes without a free slot',
      { candidates: [node('a'), node('s', true)], freeSlots: 0 },
      ['s'],
      Infinity,
    ],
    ['does not exceed the slots', { candidates: [node('a'), node('b')], freeSlots: 1 }, ['a'], Infinity],
    [
      'does not exceed the pending dials',
      { candidates: [node('a', true), node('b', true)], pending: 49 },
      ['a'],
      Infinity,
    ],
    ['waits until a node is due', { candidates: [node('a', false, 125_000)] }, [], 125_000],
    ['dials a node that is due', { candidates: [node('a', false, 100_000)] }, ['a'], Infinity],
    [
      'prefers who has waited longest',
      { candidates: [node('a', false, 95_000), node('b'), node('c', false, 35_010)], freeSlots: 2 },
      ['b', 'c'],
      Infinity,
    ],
    [
      'gives others a turn, however many static nodes are due',
      { candidates: [...statics(6), node('a'), node('b')], maxPending: 5 },
      ['s0', 's1', 's2', 'a', 's3'],
      Infinity,
    ],
    [
      'gives others a turn, where one at a time is dialed',
      { candidates: [...statics(6), node('a')], maxPending: 1, planned: 7 },
      ['a'],
      Infinity,
    ],
    [
      'dials static nodes in the turns of others, where these are not due or have no slot',
      { candidates: [...statics(2), node('a'), node('b', false, 125_000)], planned: 3, freeSlots: 0 },
      ['s0', 's1'],
      Infinity,
    ],
    [
      'dials others in the turns of static nodes, where these are not due',
      { candidates: [node('s', true, 125_000), node('a'), node('b')] },
      ['a', 'b'],
      125_000,
    ],
    [
      'does not wake up for a node without a slot',
      { candidates: [node('a', false, 125_000)], freeSlots: 0 },
      [],
      Infinity,
    ],
  ])('%s', (_, change, dial, nextAt) => {
    expect(planDials(round(change))).toEqual({ dial, nextAt });
  });
});
