// Compiles src/ and bench/ into .bench/ and runs the benchmarks: npm run bench -- [--quick] [--only ID] [--json FILE]
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const node = (...args) => spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit' }).status ?? 1;
const built = node(join(root, 'scripts', 'build.js'), 'tsconfig.bench.json');
process.exit(built === 0 ? node(join(root, '.bench', 'bench', 'run.js'), ...process.argv.slice(2)) : built);
