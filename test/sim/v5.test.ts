/** Engines of discovery v5 in a simulated network. */
import { describe, expect, it, vi } from 'vitest';
import { readOptions } from '../../bench/sim/options.ts';
import { type SimulationFigures, type SimulationOptions, simulate } from '../../bench/sim/simulation.ts';

const YOUNG = { seed: 1, joinMinutes: 10 / 60, settleMinutes: 7 / 60, gapMs: 20, version: 5 } as const;

// None waits for anything: how long they take is up to what else the machine does.
vi.setConfig({ testTimeout: 600_000 });

function run(
  options: Omit<SimulationOptions, keyof typeof YOUNG> & Pick<Partial<SimulationOptions>, 'settleMinutes'>,
): SimulationFigures {
  const figures = simulate({ ...YOUNG, ...options });
  console.log(JSON.stringify(figures));
  return figures;
}

describe('a simulated network of discovery v5', () => {
  it('whose nodes knew one: every lookup ends, and finds 97 of 100 of the closest', () => {
    const { lookups, tables, traffic } = run({ nodes: 40, lookups: 20 });
    expect(lookups).toMatchObject({ lookups: 20, ended: 20 });
    expect(lookups.recall).toBeGreaterThanOrEqual(0.97);
    expect(lookups.asked).toBeGreaterThanOrEqual(16);
    expect(lookups.packets).toBeGreaterThan(2 * lookups.asked);
    expect(tables).toMatchObject({ known: 1, dead: 0 });
    // They have shaken hands.
    expect(tables.proofs).toBeGreaterThan(16);
    expect(traffic.packets).toBeGreaterThan(0);
  });

  it('does so with real keys, signatures and records as well', () => {
    const { lookups, tables } = run({ nodes: 12, lookups: 5, isReal: true });
    expect(lookups).toMatchObject({ ended: 5, perfect: 1 });
    expect(tables).toMatchObject({ known: 1, dead: 0 });
  });

  it('with tables filled beforehand, of which a tenth has left, and a tenth of all packets lost: 97 of 100 are found', () => {
    const { lookups, tables } = run({
      nodes: 300,
      lookups: 20,
      loss: 0.1,
      settled: { gone: 0.1, awake: false },
    });
    expect(lookups.ended).toBe(lookups.lookups);
    expect(lookups.recall).toBeGreaterThanOrEqual(0.97);
    expect(tables.dead).toBeGreaterThan(0.05);
    expect(tables.dead).toBeLessThan(0.2);
  });

  it('that wakes with tables filled beforehand keeps them up, and finds out who has left', () => {
    const { lookups, tables, traffic } = run({
      ...{ nodes: 60, lookups: 20, churn: 10, settled: { gone: 0.3, awake: true } },
      settleMinutes: 2,
    });
    expect(lookups.ended).toBe(lookups.lookups);
    expect(lookups.recall).toBeGreaterThanOrEqual(0.9);
    expect(tables.dead).toBeLessThan(0.15);
    expect(tables.proofs).toBeGreaterThan(16);
    expect(traffic.packets).toBeGreaterThan(0);
  });

  it('is the same for the same seed, and another for another', () => {
    const once = (seed: number) => simulate({ ...YOUNG, seed, nodes: 15, lookups: 3, loss: 0.1, churn: 10 });
    const first = once(7);
    expect(once(7)).toEqual(first);
    expect(once(8)).not.toEqual(first);
  });

  it('is what --v5 asks for, and those of --settled wake where they are given time to settle', () => {
    const told = (line: string) => readOptions(line.split(' '));
    expect(told('--v5 --settled --gone 0.2 --loss 0.1').options).toMatchObject({
      ...{ version: 5, loss: 0.1, settled: { gone: 0.2, awake: false } },
    });
    expect(told('--seed 1').options).toMatchObject({ version: 4 });
    expect(() => told('--gone 0.2')).toThrow('--gone goes with --settled');
    expect(told('--settled --settle 3 --churn 1').options).toMatchObject({
      ...{ settleMinutes: 3, churn: 1, settled: { gone: 0, awake: true } },
    });
    expect(() => told('--settled --join 1')).toThrow('--join does not go with --settled');
    expect(() => told('--settled --churn 1')).toThrow('--churn goes with --settled where there is --settle');
  });
});
