import { describe, expect, it } from 'vitest';
import { simulateSparse } from '../../bench/sim/topics/sparse.ts';

describe('where few of 150 nodes take part', () => {
  it('they are met by lookups, have the topic, and are asked for it', () => {
    const figures = simulateSparse({ nodes: 150, seed: 1, share: 0.04, advertisers: 2, minutes: 1 });
    console.log(JSON.stringify(figures));
    const { participants, known, registrars, searches } = figures;
    expect(participants).toBe(6);
    expect(known).toBeLessThan(3);
    for (const count of registrars) expect(count).toBeGreaterThan(0);
    expect(searches.map(({ found }) => found)).toEqual([2, 2, 2, 2]);
    // A series of eight lookups, whatever becomes of them.
    for (const { ms, packets } of searches) {
      expect(ms).toBeLessThan(120_000);
      expect(packets).toBeLessThan(1_500);
    }
  });
});
