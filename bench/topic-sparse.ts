/**
 * `npm run bench -- topic-sparse [--nodes N] [--seed S] [--share PART] [--advertisers N] [--minutes N]`: a network of discovery
 * v5 of which only a part (2 % unless told otherwise) takes part in topic discovery. The same seed gives the same figures.
 */
import { parseArgs } from 'node:util';
import { errorText } from '../src/base/errors.ts';
import { number, seedOf, wholeNumber } from './sim/numbers.ts';
import { type SparseOptions, simulateSparse } from './sim/topics/sparse.ts';

const TEXT = { type: 'string' } as const;

const options = optionsOrExit();
const { searches, ...figures } = simulateSparse(options);
const none = searches.filter(({ found }) => found === 0).length;
console.log(JSON.stringify({ ...options, ...figures, none, searches }));

function optionsOrExit(): SparseOptions {
  try {
    const { values } = parseArgs({
      options: { nodes: TEXT, seed: TEXT, share: TEXT, advertisers: TEXT, minutes: TEXT },
    });
    return {
      nodes: wholeNumber('nodes', values.nodes, { usual: 500, least: 20, most: 100_000 }),
      seed: seedOf(values.seed),
      share: number('share', values.share, { usual: 0.02, least: 0.001, most: 1 }),
      advertisers: wholeNumber('advertisers', values.advertisers, { usual: 5, least: 1, most: 1_000 }),
      minutes: number('minutes', values.minutes, { usual: 30, least: 1, most: 1_440 }),
    };
  } catch (error) {
    process.stderr.write(`error: ${errorText(error)}\n`);
    process.exit(2);
  }
}
