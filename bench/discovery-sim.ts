/**
 * `npm run bench -- discovery-sim [--nodes N] [--seed S] [--lookups N] [--join MINUTES] [--settle MINUTES] [--loss PART]
 * [--churn PART] [--nat PART] [--real-signatures] [--growth] [--json]`: a network of discovery v4 nodes in this process,
 * with a virtual clock; what its lookups find, what its tables hold, and what it costs. The same seed gives the same
 * figures, but for memory and wall time.
 */
import { parseArgs } from 'node:util';
import { PeerlaneError } from '../src/base/errors.ts';
import { type SimulationFigures, type SimulationOptions, simulate } from './sim/simulation.ts';

const REPORT_INTERVAL_MS = 10_000;

const { values } = parseArgs({
  options: {
    nodes: { type: 'string', default: '10000' },
    seed: { type: 'string', default: String(1 + (Date.now() % 1_000_000)) },
    lookups: { type: 'string', default: '1000' },
    join: { type: 'string', default: '10' },
    settle: { type: 'string', default: '60' },
    loss: { type: 'string', default: '0' },
    churn: { type: 'string', default: '0' },
    nat: { type: 'string', default: '0' },
    'real-signatures': { type: 'boolean', default: false },
    growth: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
});
const options: SimulationOptions = {
  nodes: numberOf('nodes', 2, 100_000),
  seed: numberOf('seed', 0, 2 ** 32 - 1),
  lookups: numberOf('lookups', 1, 100_000),
  joinMinutes: numberOf('join', 0.01, 1_440),
  settleMinutes: numberOf('settle', 0.01, 1_440),
  loss: numberOf('loss', 0, 1),
  churn: numberOf('churn', 0, 1_000),
  nat: numberOf('nat', 0, 1),
  isReal: values['real-signatures'],
};

/** A hundred, a thousand... up to the number of nodes. */
const sizes: number[] = [];
for (let size = 100; values.growth && size < options.nodes; size *= 10) sizes.push(size);
sizes.push(options.nodes);

const results: (SimulationFigures & { readonly seconds: number })[] = [];
if (!values.json) console.log(`seed ${options.seed}`);
for (const nodes of sizes) {
  const begin = performance.now();
  const figures = simulate({ ...options, nodes }, { collect: bytesInUse, progress: reporter(nodes) });
  const result = { ...figures, seconds: (performance.now() - begin) / 1000 };
  results.push(result);
  if (!values.json) console.log(text(result));
}
if (values.json) console.log(JSON.stringify({ ...options, results }, null, 2));

function numberOf(name: keyof typeof values, least: number, most: number): number {
  const number = Number(values[name]);
  const isWhole = name !== 'nodes' && name !== 'seed' && name !== 'lookups';
  if (!(number >= least && number <= most) || !(isWhole || Number.isInteger(number))) {
    throw new PeerlaneError('invalid-argument', `--${name} is a number from ${least} to ${most}`);
  }
  return number;
}

/** Says every now and then how far a simulation is, which may take an hour. */
function reporter(nodes: number): (text: string) => void {
  let at = performance.now();
  return (text) => {
    const now = performance.now();
    if (now - at < REPORT_INTERVAL_MS) return;
    at = now;
    console.error(`${nodes} nodes: ${text}`);
  };
}

function bytesInUse(): number {
  globalThis.gc?.();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

function text({ nodes, lookups, tables, traffic, memory, seconds }: (typeof results)[number]): string {
  const percent = (part: number) => `${(100 * part).toFixed(2)} %`;
  const rows: readonly (readonly [string, string])[] = [
    ['lookups ended', `${lookups.ended} of ${lookups.lookups}`],
    ['lookups that found the closest 16', percent(lookups.perfect)],
    ['recall of the closest 16', percent(lookups.recall)],
    ['time of a lookup', `${lookups.meanMs.toFixed(0)} ms, at most ${lookups.maxMs.toFixed(0)} ms`],
    ['nodes asked by a lookup', `${lookups.asked.toFixed(1)} FindNodes`],
    ['messages of a lookup', `${lookups.packets.toFixed(1)} packets`],
    [
      'entries of a table',
      `${tables.entries.toFixed(1)}, ${tables.live.toFixed(1)} live; ${tables.replacements.toFixed(1)} replacements`,
    ],
    ['places taken of those possible', percent(tables.filled)],
    ['buckets full of those possible', percent(tables.full)],
    ['dead entries', percent(tables.dead)],
    ['nodes known by another', percent(tables.known)],
    ['tables that name a node', `${tables.meanNamed.toFixed(1)}, at least ${tables.leastNamed}`],
    [
      'traffic of a node',
      `${traffic.packets.toFixed(1)} packets, ${(traffic.bytes / 1000).toFixed(2)} kB a minute`,
    ],
    ['memory of a node', memory === undefined ? '-' : `${(memory / 1000).toFixed(0)} kB`],
    ['wall time', `${seconds.toFixed(1)} s`],
  ];
  const lines = rows.map(([name, value]) => `  ${name.padEnd(36)}${value}`);
  return `\n${nodes} nodes\n${lines.join('\n')}`;
}
