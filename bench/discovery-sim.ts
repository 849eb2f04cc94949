/**
 * `npm run bench -- discovery-sim [--nodes N] [--seed S] [--lookups N] [--join MINUTES] [--settle MINUTES] [--loss PART]
 * [--churn PART] [--nat PART] [--real-signatures] [--growth] [--json]`: a network of discovery v4 nodes in this process,
 * with a virtual clock; what its lookups find, what its tables hold, and what it costs. The same seed gives the same
 * figures, but for memory and wall time.
 *
 * `... -- discovery-sim --eclipse [--nodes N] [--seed S] [--lookups N] [--json]`: what an attacker with 1,000 identities
 * in four /24 networks wins among so many honest nodes, by so many lookups of each of six victims.
 */
import { parseArgs } from 'node:util';
import { PeerlaneError } from '../src/base/errors.ts';
import { type EclipseFigures, type EclipseOptions, eclipse } from './sim/eclipse.ts';
import { type SimulationFigures, type SimulationOptions, simulate } from './sim/simulation.ts';

const REPORT_INTERVAL_MS = 10_000;
const ATTACK = { victims: 6, identities: 1_000, networks: 4 };

const { values } = parseArgs({
  options: {
    nodes: { type: 'string' },
    seed: { type: 'string' },
    lookups: { type: 'string' },
    join: { type: 'string' },
    settle: { type: 'string' },
    loss: { type: 'string' },
    churn: { type: 'string' },
    nat: { type: 'string' },
    'real-signatures': { type: 'boolean' },
    growth: { type: 'boolean' },
    eclipse: { type: 'boolean' },
    json: { type: 'boolean' },
  },
});
/** What an attack is told; the rest is for networks without one. */
const OF_AN_ATTACK: readonly string[] = ['eclipse', 'nodes', 'seed', 'lookups', 'json'];

const seed = numberOf('seed', 1 + (Date.now() % 1_000_000), 0, 2 ** 32 - 1);
if (!values.json) console.log(`seed ${seed}`);
if (values.eclipse) runAttack();
else runNetworks();

function runAttack(): void {
  const other = Object.keys(values).find((name) => !OF_AN_ATTACK.includes(name));
  if (other !== undefined)
    throw new PeerlaneError('invalid-argument', `--${other} does not go with --eclipse`);
  const nodes = numberOf('nodes', 200, 16, 10_000);
  const lookups = numberOf('lookups', 10, 1, 1_000);
  const options: EclipseOptions = { seed, nodes, lookups, ...ATTACK };
  const figures = eclipse(options);
  console.log(
    values.json ? JSON.stringify({ ...options, ...figures }, null, 2) : attackText(options, figures),
  );
}

function runNetworks(): void {
  const options: SimulationOptions = {
    nodes: numberOf('nodes', 10_000, 2, 100_000),
    seed,
    lookups: numberOf('lookups', 1_000, 1, 100_000),
    joinMinutes: numberOf('join', 10, 0.01, 1_440),
    settleMinutes: numberOf('settle', 60, 0.01, 1_440),
    loss: numberOf('loss', 0, 0, 1),
    churn: numberOf('churn', 0, 0, 1_000),
    nat: numberOf('nat', 0, 0, 1),
    isReal: values['real-signatures'] ?? false,
  };
  // A hundred, a thousand... up to the number of nodes.
  const sizes: number[] = [];
  for (let size = 100; values.growth && size < options.nodes; size *= 10) sizes.push(size);
  sizes.push(options.nodes);
  const results: Result[] = [];
  for (const nodes of sizes) {
    const begin = performance.now();
    const figures = simulate({ ...options, nodes }, { collect: bytesInUse, progress: reporter(nodes) });
    const result = { ...figures, seconds: (performance.now() - begin) / 1000 };
    results.push(result);
    if (!values.json) console.log(text(result));
  }
  if (values.json) console.log(JSON.stringify({ ...options, results }, null, 2));
}

type Result = SimulationFigures & { readonly seconds: number };

function numberOf(name: keyof typeof values, usual: number, least: number, most: number): number {
  const number = Number(values[name] ?? usual);
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

function text({ nodes, lookups, tables, traffic, memory, seconds }: Result): string {
  return lines(`${nodes} nodes`, [
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
  ]);
}

function attackText({ nodes, identities, networks }: EclipseOptions, figures: EclipseFigures): string {
  const { mostInTable, allowedInTable, mostInBucket, allowedInBucket } = figures;
  return lines(`${nodes} honest nodes, an attacker with ${identities} identities in ${networks} networks`, [
    ["its part of the victims' tables", percent(figures.tableShare)],
    ['its places of a table', `at most ${mostInTable} of ${allowedInTable} allowed`],
    ['its places of a bucket', `at most ${mostInBucket} of ${allowedInBucket} allowed`],
    [
      'its part of what a lookup found',
      `${percent(figures.resultShare)}, at most ${percent(figures.worstResultShare)}`,
    ],
    [
      'honest nodes that a lookup found',
      `${figures.meanHonest.toFixed(1)}, at least ${figures.leastHonest}; at most ${figures.mostInResult} others`,
    ],
  ]);
}

function percent(part: number): string {
  return `${(100 * part).toFixed(2)} %`;
}

function lines(title: string, rows: readonly (readonly [string, string])[]): string {
  return `\n${title}\n${rows.map(([name, value]) => `  ${name.padEnd(36)}${value}`).join('\n')}`;
}
