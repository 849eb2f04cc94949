import { describe, expect, it } from 'vitest';
import { simulateSparse } from '../../bench/sim/topics/sparse.ts';

describe('where few of 200 nodes take part', () => {
  it('they are met by lookups, have the topic, and are asked for it', () => {
    const figures = simulateSparse({ nodes: 200, seed: 1, share: 0.02, advertisers: 1, minutes: 1 });
    console.log(JSON.stringify(figures));
    const { participants, known, registrars, searches } = figures;
    expect(participants).toBe(4);
    expect(known).toBeLessThan(1);
    for (const count of registrars) expect(count).toBeGreaterThan(0);
    expect(searches.map(({ found }) => found)).toEqual([1, 1, 1]);
    // A series of eight lookups, whatever becomes of them.
    for (const { ms, packets } of searches) {
      expect(ms).toBeLessThan(300_000);
      expect(packets).toBeLessThan(1_500);
    }
  }, 300_000);
});
