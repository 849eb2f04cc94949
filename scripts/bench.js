// Compiles src/ and bench/ into .bench/ and runs the benchmarks: npm run bench -- [--quick] [--only ID] [--json FILE]
// With `soak` as first argument it is the endurance run: npm run bench:soak -- [--minutes N] [--peers N] ...; with
// `discovery-sim` it is the simulated network: npm run bench -- discovery-sim [--nodes N] [--seed S] ..., and
// `topic-sim` and `topic-sparse` those of topics; `read-turns` is a server that reads slowly.
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const node = (...args) => spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit' }).status ?? 1;
const program = (name) => join(root, '.bench', 'bench', name);
const [first, ...rest] = process.argv.slice(2);
const PROGRAMS = {
  soak: [program('soak.js'), ...rest],
  'read-turns': [program('read-turns.js'), ...rest],
  // Ten thousand nodes take more than what Node grants itself; most of what they make lives for a moment.
  'topic-sim': [
    ...['--max-old-space-size=20000', '--max-semi-space-size=128'],
    ...[program('topic-sim.js'), ...rest],
  ],
  'topic-sparse': ['--max-old-space-size=8000', program('topic-sparse.js'), ...rest],
  'discovery-sim': [
    ...['--expose-gc', '--max-old-space-size=20000', '--max-semi-space-size=64'],
    ...[program('discovery-sim.js'), ...rest],
  ],
};
const args = Object.hasOwn(PROGRAMS, first ?? '')
  ? PROGRAMS[first]
  : [program('run.js'), ...process.argv.slice(2)];
// Ctrl-C is for the program, which may still have something to tell.
process.on('SIGINT', () => undefined);
const built = node(join(root, 'scripts', 'build.js'), 'tsconfig.bench.json');
process.exit(built === 0 ? node(...args) : built);
