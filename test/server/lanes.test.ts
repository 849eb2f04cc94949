import { describe, expect, it } from 'vitest';
import { VirtualEnv } from '../../src/base/virtual-env.ts';
import { budgetsOf } from '../../src/server/budgets.ts';
import { Lanes } from '../../src/server/lanes.ts';

const KiB = 1024;
const CHUNK = 64 * KiB;

const lanesOf = (env: VirtualEnv) => new Lanes(env, budgetsOf({ memoryBudget: 1024 * KiB, env }).blocks);
const reader = (readOn: () => void) => ({ readOn });

describe('reading from many sockets', () => {
  it('stops for who brings much when a turn has enough, and goes on in the order of the line', () => {
    const env = new VirtualEnv({ seed: 1 });
    const lanes = lanesOf(env);
    const log: number[] = [];
    const readers = Array.from({ length: 40 }, (_, i) => reader(() => void log.push(i)));
    const goOn = readers.map((each) => lanes.received(CHUNK, each));
    expect(goOn.filter(Boolean)).toHaveLength(15);
    env.advance(0);
    expect(log).toEqual(Array.from({ length: 25 }, (_, i) => 15 + i));
  });

  it('never stops for who brings little', () => {
    const lanes = lanesOf(new VirtualEnv({ seed: 1 }));
    const fail = reader(() => {
      throw new Error('was not in line');
    });
    for (let i = 0; i < 40; i++)
      lanes.received(
        CHUNK,
        reader(() => undefined),
      );
    expect(lanes.received(4 * KiB, fail)).toBe(true);
  });

  it('does not call who has left', () => {
    const env = new VirtualEnv({ seed: 1 });
    const lanes = lanesOf(env);
    const log: string[] = [];
    const [first, second] = ['first', 'second'].map((name) => reader(() => void log.push(name)));
    if (first === undefined || second === undefined) throw new Error('there are two');
    lanes.received(2048 * KiB, first);
    lanes.received(CHUNK, second);
    lanes.leave(first);
    env.advance(0);
    expect(log).toEqual(['second']);
  });
});
