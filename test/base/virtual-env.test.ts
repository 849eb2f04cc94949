import { describe, expect, it } from 'vitest';
import { VirtualEnv } from '../../src/base/virtual-env.ts';

describe('a virtual environment', () => {
  it('runs timers in the order of their times, each at its own time', () => {
    const env = new VirtualEnv();
    const log: string[] = [];
    env.setTimer(20, () => log.push(`b${env.now()}`));
    env.setTimer(10, () => {
      log.push(`a${env.now()}`);
      env.setTimer(5, () => log.push(`c${env.now()}`));
    });
    const cancelled = env.setTimer(12, () => log.push('never'));
    cancelled.cancel();
    env.advance(14);
    expect(log).toEqual(['a10']);
    env.advance(100);
    expect(log).toEqual(['a10', 'c15', 'b20']);
    expect(env.timers).toBe(0);
  });

  it('gives the same random bytes for the same seed', () => {
    const [a, b, c] = [7, 7, 8].map((seed) => new VirtualEnv({ seed }).randomBytes(32));
    expect(a).toEqual(b);
    expect(a).not.toEqual(c);
  });
});
