import { expect, it } from 'vitest';
import {
  hasRestarted,
  keptFor,
  MAX_RENEWAL_MS,
  MAX_RETRY_MS,
  MIN_RENEWAL_MS,
  renewalAfter,
  retryAfter,
} from '../../src/nat/index.ts';

it.each([
  [60, 30_000],
  [600, MAX_RENEWAL_MS],
  [1, MIN_RENEWAL_MS],
  [Number.POSITIVE_INFINITY, MAX_RENEWAL_MS],
])('a lease of %d s is renewed after %d ms', (lifetime, ms) => {
  expect(renewalAfter(lifetime)).toBe(ms);
});

it.each([
  [60, 60_000],
  [600, 600_000],
  [2 ** 32 - 1, 600_000],
  [Number.POSITIVE_INFINITY, 600_000],
])('a lease of %d s is relied on for %d ms without a renewal', (lifetime, ms) => {
  expect(keptFor(lifetime)).toBe(ms);
});

it('tries again ever later, and before a mapping ends', () => {
  expect([1, 2, 3, 30].map((failures) => retryAfter(failures))).toEqual([
    5_000,
    10_000,
    20_000,
    MAX_RETRY_MS,
  ]);
  expect(retryAfter(10, 6_000)).toBe(3_000);
  expect(retryAfter(10, 1)).toBe(MIN_RENEWAL_MS);
  expect(retryAfter(2, 0)).toBe(10_000);
});

it.each([
  [100, 200, 100, false],
  [100, 99, 0, false],
  [100, 3, 100, true],
  [100, 103, 100, true],
  [100, 400, 100, true],
])('a clock of %d s that says %d s when %d s are over: has restarted: %s', (before, now, seconds, is) => {
  expect(hasRestarted({ epoch: before, atMs: 0 }, { epoch: now, atMs: seconds * 1_000 })).toBe(is);
});
