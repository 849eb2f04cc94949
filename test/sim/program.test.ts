/** The program of the simulated network: what it is told, and what it says. */
import { describe, expect, it } from 'vitest';
import { runLookups } from '../../bench/sim/lookups.ts';
import { SimNetwork } from '../../bench/sim/network.ts';
import { readOptions } from '../../bench/sim/options.ts';
import { failureOf, networkText, type Result } from '../../bench/sim/report.ts';
import { simulate } from '../../bench/sim/simulation.ts';
import { PeerlaneError } from '../../src/base/errors.ts';

const told = (line: string) => readOptions(line === '' ? [] : line.split(' '));

const QUICK = { seed: 1, joinMinutes: 0.05, settleMinutes: 0.1, gapMs: 20 };

function resultOf(options: { nodes: number; nat?: number }): Result {
  return { ...simulate({ ...QUICK, lookups: 5, ...options }), seconds: 1 };
}

describe('the options', () => {
  it('have usual values', () => {
    expect(told('--seed 7')).toEqual({
      ...{ kind: 'networks', json: false, sizes: [10_000] },
      options: {
        ...{ nodes: 10_000, seed: 7, lookups: 1_000, joinMinutes: 10, settleMinutes: 60 },
        ...{ loss: 0, churn: 0, nat: 0, isReal: false, version: 4 },
      },
    });
    expect(told('--eclipse --seed 7 --json')).toEqual({
      ...{ kind: 'attack', json: true },
      options: { seed: 7, nodes: 200, lookups: 10, victims: 6, identities: 1_000, networks: 4 },
    });
    expect(told('').options.seed).not.toBe(Number.NaN);
  });

  it('are read, and with --growth there are networks of all sizes', () => {
    const line =
      '--nodes 2000 --seed 0 --join 0.5 --settle 1e1 --loss 0.1 --churn 3 --nat 1 --growth --real-signatures';
    expect(told(line)).toMatchObject({
      sizes: [100, 1_000, 2_000],
      options: {
        ...{ nodes: 2_000, seed: 0, joinMinutes: 0.5, settleMinutes: 10, loss: 0.1, churn: 3, nat: 1 },
        isReal: true,
      },
    });
  });

  it.each([
    ['--what', '--what'],
    ['10000', '10000'],
    ['--nodes', '--nodes'],
    ['--json=yes', '--json'],
    ['--nodes 1', '--nodes is a number from 2 to 100000'],
    ['--nodes 2.5', '--nodes is a whole number from 2 to 100000'],
    ['--nodes ten', '--nodes is a number'],
    ['--loss=', '--loss is a number from 0 to 1'],
    ['--loss 1.1', '--loss is a number from 0 to 1'],
    ['--churn -1', '--churn'],
    ['--seed=-1', '--seed is a number from 0 to 4294967295'],
    ['--eclipse --nat 0.3', '--nat does not go with --eclipse'],
  ])('%s is wrong, and it is said why', (line, message) => {
    try {
      told(line);
    } catch (error) {
      expect(error).toBeInstanceOf(PeerlaneError);
      expect(error).toMatchObject({ code: 'invalid-argument', message: expect.stringContaining(message) });
      return;
    }
    throw new Error('it was taken');
  });
});

describe('the report', () => {
  it('says how many nodes can be reached, and what lookups are held against', () => {
    const open = networkText(resultOf({ nodes: 20 }));
    expect(open).toMatch(/^ {2}nodes that everybody can reach +20 of 20$/m);
    expect(open).toMatch(/^ {2}closest that count in a lookup +16\.0, 0\.0 of them behind NAT/m);
  });

  it('does not let a network in which nobody can be reached pass for one in which all are found', () => {
    const hidden = resultOf({ nodes: 20, nat: 1 });
    const { wanted, wantedBehindNat } = hidden.lookups;
    // The bootnode is behind none.
    expect(wanted - wantedBehindNat).toBeLessThanOrEqual(1);
    expect(networkText(hidden)).toMatch(/^ {2}nodes that everybody can reach +1 of 20$/m);
  });

  it('has no figures of lookups when all who began one have left, and says that this is a failure', () => {
    const network = new SimNetwork({ seed: 1 });
    network.grow(20, 1_000);
    const stopAll = () => {
      for (const node of network.nodes) node.stop();
    };
    const lookups = runLookups(network, { count: 1, seed: 1, gapMs: 1, begun: stopAll });
    const result = { ...resultOf({ nodes: 20 }), lookups };
    expect([lookups.ended, lookups.recall]).toEqual([0, Number.NaN]);
    expect(networkText(result)).toMatch(/^ {2}recall of the closest 16 +-$/m);
    expect(networkText(result)).not.toContain('NaN');
    expect(failureOf(result)).toMatch(
      /^of 20 nodes, those that began a lookup have all left before its end$/,
    );
    expect(failureOf(resultOf({ nodes: 20 }))).toBeUndefined();
  });
});
