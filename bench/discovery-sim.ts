/**
 * `npm run bench -- discovery-sim [--nodes N] [--seed S] [--lookups N] [--join MINUTES] [--settle MINUTES] [--loss PART]
 * [--churn PART] [--nat PART] [--v5] [--settled [--gone PART]] [--real-signatures] [--growth] [--json]`: a network of
 * discovery v4 nodes, or v5, in this process, with a virtual clock; what its lookups find, what its tables hold, and what it
 * costs. With `--settled` the tables are filled beforehand, and a part of the nodes has left; with `--settle` too
 * they keep them up from then on. The same seed gives the same
 * figures, but for memory and wall time.
 *
 * `... -- discovery-sim --eclipse [--nodes N] [--seed S] [--lookups N] [--json]`: what an attacker with 1,000 identities
 * in four /24 networks wins among so many honest nodes, by so many lookups of each of six victims.
 */
import { errorText } from '../src/base/errors.ts';
import { type EclipseOptions, eclipse } from './sim/eclipse.ts';
import { type ProgramOptions, readOptions, USAGE } from './sim/options.ts';
import { attackText, failureOf, networkText, type Result } from './sim/report.ts';
import { type SimulationOptions, simulate } from './sim/simulation.ts';

const REPORT_INTERVAL_MS = 10_000;

const told = optionsOrExit();
if (!told.json) console.log(`seed ${told.options.seed}`);
if (told.kind === 'attack') runAttack(told.options, told.json);
else runNetworks(told.options, told.sizes, told.json);

function optionsOrExit(): ProgramOptions {
  try {
    return readOptions(process.argv.slice(2));
  } catch (error) {
    process.stderr.write(`error: ${errorText(error)}\n${USAGE}\n`);
    process.exit(2);
  }
}

function runAttack(options: EclipseOptions, json: boolean): void {
  const figures = eclipse(options);
  console.log(json ? JSON.stringify({ ...options, ...figures }, null, 2) : attackText(options, figures));
}

function runNetworks(options: SimulationOptions, sizes: readonly number[], json: boolean): void {
  const results: Result[] = [];
  for (const nodes of sizes) {
    const begin = performance.now();
    const figures = simulate({ ...options, nodes }, { collect: bytesInUse, progress: reporter(nodes) });
    const result = { ...figures, seconds: (performance.now() - begin) / 1000 };
    results.push(result);
    if (!json) console.log(networkText(result));
  }
  if (json) console.log(JSON.stringify({ ...options, results }, null, 2));
  for (const failure of results.map(failureOf)) {
    if (failure === undefined) continue;
    process.stderr.write(`failed: ${failure}\n`);
    process.exitCode = 1;
  }
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
