import { describe, expect, it } from 'vitest';
import { CLOCK_SAMPLE_MS, ClockSamples, MAX_CLOCK_SAMPLES } from '../../src/discv4/clock-samples.ts';

describe('how the clocks of others differ from ours', () => {
  it('is not said of fewer than five networks', () => {
    const samples = new ClockSamples();
    for (const owner of ['a', 'b', 'c', 'd', 'd', 'd']) samples.add(owner, 20, 0);
    expect(samples.skew(0)).toBeUndefined();
    samples.add('e', 20, 0);
    expect(samples.skew(0)).toEqual({ seconds: 0, samples: 5 });
  });

  it('is the median: who says nonsense has one say, however often', () => {
    const samples = new ClockSamples();
    for (const owner of ['a', 'b', 'c']) samples.add(owner, -10, 0);
    for (let i = 0; i < 100; i++) samples.add('liar', 3600, i);
    samples.add('liar 2', 3600, 0);
    // A packet that is valid for 20 s and expired 10 s ago comes from a clock that is 30 s behind ours.
    expect(samples.skew(0)).toEqual({ seconds: -30, samples: 5 });
  });

  it('takes a bounded amount of memory, and forgets', () => {
    const samples = new ClockSamples();
    for (let i = 0; i < 10 * MAX_CLOCK_SAMPLES; i++) samples.add(`${i}`, 20, 0);
    expect(samples.size).toBe(MAX_CLOCK_SAMPLES);
    for (let i = 0; i < 10 * MAX_CLOCK_SAMPLES; i++) samples.add(`n${i}`, 50, CLOCK_SAMPLE_MS);
    expect(samples.size).toBe(MAX_CLOCK_SAMPLES);
    expect(samples.skew(CLOCK_SAMPLE_MS)).toEqual({ seconds: 30, samples: MAX_CLOCK_SAMPLES });
    expect(samples.skew(3 * CLOCK_SAMPLE_MS)).toBeUndefined();
  });
});
