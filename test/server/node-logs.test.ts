import { describe, expect, it } from 'vitest';
import { MAX_LOG_LENGTH, MAX_LOGGED_NODES, NodeLogs } from '../../src/server/node-logs.ts';
import { bytesInUse } from '../support/collect.ts';

const failed = (message: string) => ({ kind: 'dial-failed', code: 'dial-failed', message }) as const;

describe('what is remembered of nodes', () => {
  it('is empty for one that nobody has heard of', () => {
    expect(new NodeLogs().of('a')).toEqual([]);
  });

  it('is what happened, the oldest first; what happens again counts', () => {
    const logs = new NodeLogs();
    logs.note('a', { kind: 'found', message: 'found by v4' }, 1);
    logs.note('a', failed('nobody there'), 2);
    logs.note('a', failed('still nobody'), 5);
    logs.note('a', { ...failed('too late'), code: 'dial-timeout' }, 9);
    const told = logs.of('a');
    logs.note('a', { kind: 'found', message: 'found again' }, 10);
    expect(told).toEqual([
      { kind: 'found', message: 'found by v4', at: 1, firstAt: 1, times: 1 },
      { kind: 'dial-failed', code: 'dial-failed', message: 'still nobody', at: 5, firstAt: 2, times: 2 },
      { kind: 'dial-failed', code: 'dial-timeout', message: 'too late', at: 9, firstAt: 9, times: 1 },
    ]);
  });

  it('is the latest of each node, and of the nodes that were heard of last, in messages of a bounded length', () => {
    const logs = new NodeLogs();
    const kinds = ['found', 'moved'] as const;
    for (let i = 0; i < 3 * MAX_LOG_LENGTH; i++) {
      logs.note('a', { kind: kinds[i % 2] ?? 'found', message: 'x'.repeat(100_000) }, i);
    }
    expect(logs.of('a').map(({ at }) => at)).toEqual(
      Array.from({ length: MAX_LOG_LENGTH }, (_, i) => i + 2 * MAX_LOG_LENGTH),
    );
    expect(logs.of('a')[0]?.message).toHaveLength(200);
    for (let i = 0; i < MAX_LOGGED_NODES; i++) logs.note(`${i}`, failed(''), 0);
    expect(logs.size).toBe(MAX_LOGGED_NODES);
    expect(logs.of('a')).toEqual([]);
  });

  it('does not keep what was cut off', () => {
    const logs = new NodeLogs();
    const before = bytesInUse();
    for (let i = 0; i < 500; i++) logs.note(`${i}`, failed(`${i} ${'x'.repeat(100_000)}`), i);
    expect(bytesInUse() - before).toBeLessThan(10_000_000);
    expect(logs.size).toBe(500);
  });
});
