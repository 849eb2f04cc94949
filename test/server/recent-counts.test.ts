import { expect, it } from 'vitest';
import { RECENT_MS, RecentCounts } from '../../src/server/recent-counts.ts';

it('what happened counts for ten minutes at least, and for twenty at most', () => {
  const counts = new RecentCounts<'a' | 'b'>();
  counts.add('a', 0);
  counts.add('b', RECENT_MS - 1);
  expect([...counts.counts(RECENT_MS - 1)]).toEqual([
    ['a', 1],
    ['b', 1],
  ]);
  counts.add('b', RECENT_MS);
  expect(counts.counts(2 * RECENT_MS - 1).get('b')).toBe(2);
  expect([...counts.counts(2 * RECENT_MS)]).toEqual([['b', 1]]);
  expect(counts.counts(3 * RECENT_MS).size).toBe(0);
  counts.add('a', 9 * RECENT_MS);
  expect([...counts.counts(9 * RECENT_MS)]).toEqual([['a', 1]]);
});

it('what happened counts for another time, or until it is forgotten', () => {
  const counts = new RecentCounts<'a'>(7 * RECENT_MS);
  counts.add('a', 0);
  expect(counts.counts(7 * RECENT_MS).get('a')).toBe(1);
  counts.add('a', 7 * RECENT_MS);
  counts.clear();
  expect(counts.counts(7 * RECENT_MS).size).toBe(0);
});
