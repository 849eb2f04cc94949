import { expect, it } from 'vitest';
import { VirtualEnv } from '../../src/base/virtual-env.ts';
import { DiscoveryTicker } from '../../src/server/discovery-ticker.ts';

it('a machine that throws is called again when it has something to do', () => {
  const env = new VirtualEnv();
  const ticks: number[] = [];
  const machine = {
    deadline: 10,
    tick(now: number) {
      ticks.push(now);
      machine.deadline = now + 10;
      if (ticks.length === 1) throw new TypeError('a bug');
    },
  };
  const ticker = new DiscoveryTicker(machine, env);
  ticker.start();
  expect(() => env.advance(10)).toThrow('a bug');
  env.advance(20);
  expect(ticks).toEqual([10, 20, 30]);
  ticker.stop();
  expect(env.timers).toBe(0);
});
