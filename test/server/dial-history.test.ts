import { expect, it } from 'vitest';
import { DialHistory, MAX_DIAL_BACKOFF_MS, MAX_DIAL_HISTORY } from '../../src/server/dial-history.ts';

it('a node that fails is left alone for twice as long each time, up to an hour', () => {
  const history = new DialHistory();
  expect(history.isOpen('a', 0)).toBe(true);
  for (const ms of [35_000, 70_000, 140_000]) {
    history.failed('a', 0);
    expect([history.isOpen('a', ms - 1), history.isOpen('a', ms)]).toEqual([false, true]);
  }
  for (let i = 0; i < 2000; i++) history.failed('a', 0);
  expect([history.isOpen('a', MAX_DIAL_BACKOFF_MS - 1), history.isOpen('a', MAX_DIAL_BACKOFF_MS)]).toEqual([
    false,
    true,
  ]);
});

it('a node that stayed is dialed again 35 s after its last dial', () => {
  const history = new DialHistory();
  history.failed('a', 0);
  history.failed('a', 0);
  history.succeeded('a', 100);
  expect([history.isOpen('a', 35_099), history.isOpen('a', 35_100)]).toEqual([false, true]);
  history.failed('a', 0);
  expect(history.isOpen('a', 35_000)).toBe(true);
});

it('a flood of nodes takes a bounded amount of memory', () => {
  const history = new DialHistory();
  for (let i = 0; i < 3 * MAX_DIAL_HISTORY; i++) history.failed(`${i}`, 0);
  expect(history.size).toBe(MAX_DIAL_HISTORY);
});
