// Compiles src/ and bench/ into .bench/ and runs the benchmarks: npm run bench -- [--quick] [--only ID] [--json FILE]
// With `soak` as first argument it is the endurance run: npm run bench:soak -- [--minutes N] [--peers N] ...
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const node = (...args) => spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit' }).status ?? 1;
const [first, ...rest] = process.argv.slice(2);
const [program, args] = first === 'soak' ? ['soak.js', rest] : ['run.js', process.argv.slice(2)];
// Ctrl-C is for the program, which may still have something to tell.
process.on('SIGINT', () => undefined);
const built = node(join(root, 'scripts', 'build.js'), 'tsconfig.bench.json');
process.exit(built === 0 ? node(join(root, '.bench', 'bench', program), ...args) : built);
