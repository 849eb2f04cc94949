/** What the program of the simulated topic is told. */
import { parseArgs } from 'node:util';
import { errorText } from '../../../src/base/errors.ts';
import { invalid, number, seedOf, wholeNumber } from '../numbers.ts';
import type { TopicSimulationOptions } from './simulation.ts';

export const USAGE = `usage: npm run bench -- topic-sim [--nodes N] [--seed S] [--share PART]... [--searches N] [--minutes N]
         [--enough N] [--loss PART] [--churn PART] [--json]
       npm run bench -- topic-sim --sybils PART... [--networks N]... [--effort N] [--near BITS]... [--share PART]... ...`;

const SHARES = [0.01, 0.1, 0.5];
/** What an attack is tried against, and with. */
const ATTACKED_SHARES = [0.01, 0.1];
const NETWORKS = [1, 10, 100];
const NEAR_BITS = [0];
/** As many registrars as an honest advertiser has in a network of ten thousand nodes. */
const EFFORT = 50;
const MAX_SYBILS = 50_000;

export interface TopicProgramOptions {
  readonly json: boolean;
  /** What is simulated, one after the other. */
  readonly runs: readonly TopicSimulationOptions[];
}

/** @throws PeerlaneError `invalid-argument` */
export function readTopicOptions(args: readonly string[]): TopicProgramOptions {
  const values = valuesOf(args);
  const { json = false, sybils: sybilTexts } = values;
  const common = {
    nodes: wholeNumber('nodes', values.nodes, { usual: 10_000, least: 20, most: 100_000 }),
    seed: seedOf(values.seed),
    searches: wholeNumber('searches', values.searches, { usual: 100, least: 1, most: 100_000 }),
    minutes: number('minutes', values.minutes, { usual: 60, least: 1, most: 1_440 }),
    fLookup:
      values.enough === undefined
        ? undefined
        : wholeNumber('enough', values.enough, { usual: 30, least: 1, most: 10_000 }),
    loss: number('loss', values.loss, { usual: 0, least: 0, most: 1 }),
    churn: number('churn', values.churn, { usual: 0, least: 0, most: 1_000 }),
  };
  const shares = parts('share', values.share, sybilTexts === undefined ? SHARES : ATTACKED_SHARES, 1);
  if (sybilTexts === undefined) {
    for (const name of ['networks', 'effort', 'near'] as const) {
      if (values[name] !== undefined) throw invalid(`--${name} goes with --sybils`);
    }
    return { json, runs: shares.map((share) => ({ ...common, share })) };
  }
  const networks = wholeNumbers('networks', values.networks, NETWORKS, { least: 1, most: 10_000 });
  const near = wholeNumbers('near', values.near, NEAR_BITS, { least: 0, most: 16 });
  const effort = wholeNumber('effort', values.effort, { usual: EFFORT, least: 1, most: 100_000 });
  const runs: TopicSimulationOptions[] = [];
  for (const share of shares) {
    for (const part of parts('sybils', sybilTexts, [], 0.99)) {
      const identities = Math.round((common.nodes * share * part) / (1 - part));
      if (identities < 1 || identities > MAX_SYBILS)
        throw invalid(`--sybils ${part} are ${identities} identities`);
      for (const nearBits of near) {
        for (const count of networks) {
          runs.push({ ...common, share, attack: { identities, networks: count, effort, nearBits } });
        }
      }
    }
  }
  return { json, runs };
}

function parts(
  name: string,
  texts: readonly string[] | undefined,
  usual: readonly number[],
  most: number,
): readonly number[] {
  return texts?.map((text) => number(name, text, { usual: 0, least: 0.0001, most })) ?? usual;
}

function wholeNumbers(
  name: string,
  texts: readonly string[] | undefined,
  usual: readonly number[],
  bounds: { readonly least: number; readonly most: number },
): readonly number[] {
  return texts?.map((text) => wholeNumber(name, text, { usual: 0, ...bounds })) ?? usual;
}

function valuesOf(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        nodes: { type: 'string' },
        seed: { type: 'string' },
        share: { type: 'string', multiple: true },
        searches: { type: 'string' },
        minutes: { type: 'string' },
        enough: { type: 'string' },
        loss: { type: 'string' },
        churn: { type: 'string' },
        sybils: { type: 'string', multiple: true },
        networks: { type: 'string', multiple: true },
        effort: { type: 'string' },
        near: { type: 'string', multiple: true },
        json: { type: 'boolean' },
      },
    }).values;
  } catch (error) {
    throw invalid(errorText(error));
  }
}
