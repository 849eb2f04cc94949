/** What the program of the simulated network is told. */
import { parseArgs } from 'node:util';
import { errorText } from '../../src/base/errors.ts';
import type { EclipseOptions } from './eclipse.ts';
import { invalid, number, seedOf, wholeNumber } from './numbers.ts';
import type { SimulationOptions } from './simulation.ts';

export const USAGE = `usage: npm run bench -- discovery-sim [--nodes N] [--seed S] [--lookups N] [--join MINUTES]
         [--settle MINUTES] [--loss PART] [--churn PART] [--nat PART] [--v5] [--settled [--gone PART]] [--real-signatures] [--growth] [--json]
       npm run bench -- discovery-sim --eclipse [--nodes N] [--seed S] [--lookups N] [--json]`;

const ATTACK = { victims: 6, identities: 1_000, networks: 4 };
/** What an attack is told; the rest is for networks without one. */
const OF_AN_ATTACK: readonly string[] = ['eclipse', 'nodes', 'seed', 'lookups', 'json'];

export type ProgramOptions = { readonly json: boolean } & (
  | { readonly kind: 'attack'; readonly options: EclipseOptions }
  /** `sizes`: of the networks that are simulated one after the other, the last being `options.nodes`. */
  | { readonly kind: 'networks'; readonly options: SimulationOptions; readonly sizes: readonly number[] }
);

/** @throws PeerlaneError `invalid-argument` */
export function readOptions(args: readonly string[]): ProgramOptions {
  const values = valuesOf(args);
  const {
    json = false,
    eclipse = false,
    growth = false,
    v5 = false,
    'real-signatures': isReal = false,
  } = values;
  const seed = seedOf(values.seed);
  if (eclipse) {
    const other = Object.keys(values).find((name) => !OF_AN_ATTACK.includes(name));
    if (other !== undefined) throw invalid(`--${other} does not go with --eclipse`);
    const nodes = wholeNumber('nodes', values.nodes, { usual: 200, least: 16, most: 10_000 });
    const lookups = wholeNumber('lookups', values.lookups, { usual: 10, least: 1, most: 1_000 });
    return { kind: 'attack', json, options: { seed, nodes, lookups, ...ATTACK } };
  }
  const nodes = wholeNumber('nodes', values.nodes, { usual: 10_000, least: 2, most: 100_000 });
  const options: SimulationOptions = {
    ...{ nodes, seed, isReal, version: v5 ? 5 : 4 },
    lookups: wholeNumber('lookups', values.lookups, { usual: 1_000, least: 1, most: 100_000 }),
    joinMinutes: number('join', values.join, { usual: 10, least: 0.01, most: 1_440 }),
    settleMinutes: number('settle', values.settle, { usual: 60, least: 0.01, most: 1_440 }),
    loss: number('loss', values.loss, { usual: 0, least: 0, most: 1 }),
    churn: number('churn', values.churn, { usual: 0, least: 0, most: 1_000 }),
    nat: number('nat', values.nat, { usual: 0, least: 0, most: 1 }),
    ...settledOf(values),
  };
  // A hundred, a thousand... up to the number of nodes.
  const sizes: number[] = [];
  for (let size = 100; growth && size < nodes; size *= 10) sizes.push(size);
  return { kind: 'networks', json, options, sizes: [...sizes, nodes] };
}

function settledOf({
  settled = false,
  gone,
  ...values
}: ReturnType<typeof valuesOf>): Pick<SimulationOptions, 'settled'> {
  if (!settled) {
    if (gone !== undefined) throw invalid('--gone goes with --settled');
    return {};
  }
  if (values.join !== undefined) throw invalid('--join does not go with --settled');
  const awake = values.settle !== undefined;
  if (values.churn !== undefined && !awake)
    throw invalid('--churn goes with --settled where there is --settle, too');
  return { settled: { gone: number('gone', gone, { usual: 0, least: 0, most: 1 }), awake } };
}

function valuesOf(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        nodes: { type: 'string' },
        seed: { type: 'string' },
        lookups: { type: 'string' },
        join: { type: 'string' },
        settle: { type: 'string' },
        loss: { type: 'string' },
        churn: { type: 'string' },
        nat: { type: 'string' },
        settled: { type: 'boolean' },
        gone: { type: 'string' },
        v5: { type: 'boolean' },
        'real-signatures': { type: 'boolean' },
        growth: { type: 'boolean' },
        eclipse: { type: 'boolean' },
        json: { type: 'boolean' },
      },
    }).values;
  } catch (error) {
    throw invalid(errorText(error));
  }
}
