import { describe, expect, it } from 'vitest';
import { type BudgetHolder, WATCH_MS } from '../../src/base/budget.ts';
import { VirtualEnv } from '../../src/base/virtual-env.ts';
import type { BandwidthOptions } from '../../src/server/bandwidth.ts';
import { budgetsOf } from '../../src/server/budgets.ts';

const MB = 1_000_000;

/** Whether one whose frame is far beyond the memory for input has to go, while another waits, when so much of it comes in each look. */
function hasToGo(bandwidth: BandwidthOptions, bytesALook: number): boolean {
  const env = new VirtualEnv({ seed: 1 });
  const { input } = budgetsOf({ memoryBudget: 4 * MB, bandwidth, env });
  let isGone = false;
  const large = {
    ...{ moved: 0, isBlocked: true, couldMove: () => true, granted: () => undefined },
    giveUp: () => {
      isGone = true;
    },
  };
  const other: BudgetHolder = { ...large, couldMove: () => false, giveUp: () => undefined };
  const [share, waiting] = [input.share(large), input.share(other)];
  share.set(MB);
  expect(share.ask(1)).toBe(true);
  share.set(3 * MB);
  expect([share.hasTurn, waiting.ask(MB)]).toEqual([true, false]);
  for (let i = 0; i < 10; i++) {
    large.moved += bytesALook;
    env.advance(WATCH_MS);
  }
  share.set(0);
  waiting.leave();
  return isGone;
}

describe('a frame that takes memory that is not there', () => {
  it('has to come fast', () => {
    expect([128 * 1024, 64 * 1024].map((bytes) => hasToGo({}, bytes))).toEqual([false, true]);
  });

  it.each([{ download: MB }, { downloadPerPeer: 100_000 }])(
    'comes as slowly as it is read, with %j, but not as good as not at all',
    (bandwidth) => {
      expect([64 * 1024, 8 * 1024, 1024].map((bytes) => hasToGo(bandwidth, bytes))).toEqual([
        ...[false, false, true],
      ]);
    },
  );
});
