/**
 * `npm run bench -- topic-sim [--nodes N] [--seed S] [--share PART]... [--searches N] [--minutes N] [--enough N]
 * [--loss PART] [--churn PART] [--json]`: a network of registrars in this process, with a virtual clock, of which a part
 * advertises a topic (1 %, 10 % and 50 %, one after the other, unless told otherwise), and others search for it. The same
 * seed gives the same figures, but for wall time.
 *
 * `... -- topic-sim --sybils PART... [--networks N]... [--effort N] [--near BITS]...`: an attacker who has that part of all
 * identities that advertise the topic, in so many /24; a table of what searches find.
 */
import { errorText } from '../src/base/errors.ts';
import { readTopicOptions, type TopicProgramOptions, USAGE } from './sim/topics/options.ts';
import { attackTable, SIMULATED, topicFailure, topicText } from './sim/topics/report.ts';
import { simulateTopic } from './sim/topics/simulation.ts';

const REPORT_INTERVAL_MS = 10_000;

const { json, runs } = optionsOrExit();
if (!json) console.log(`seed ${runs[0]?.seed}\n${SIMULATED}`);
const results = runs.map((options) => {
  const begin = performance.now();
  const figures = simulateTopic(options, { progress: reporter(`${options.nodes} nodes`) });
  const result = { ...figures, seconds: (performance.now() - begin) / 1000 };
  if (!json) console.log(topicText(result));
  const failure = topicFailure(figures);
  if (failure !== undefined) {
    process.stderr.write(`failed: ${failure}\n`);
    process.exitCode = 1;
  }
  return { options, figures: result };
});
if (json) console.log(JSON.stringify(results, null, 2));
else if (runs.some(({ attack }) => attack !== undefined)) console.log(`\n${attackTable(results)}`);

function optionsOrExit(): TopicProgramOptions {
  try {
    return readTopicOptions(process.argv.slice(2));
  } catch (error) {
    process.stderr.write(`error: ${errorText(error)}\n${USAGE}\n`);
    process.exit(2);
  }
}

/** Says every now and then how far a simulation is. */
function reporter(of: string): (text: string) => void {
  let at = performance.now();
  return (text) => {
    const now = performance.now();
    if (now - at < REPORT_INTERVAL_MS) return;
    at = now;
    console.error(`${of}: ${text}`);
  };
}
