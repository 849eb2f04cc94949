// Compiles src/ into dist/ with the project's TypeScript; what was there before is gone.
import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const tsc = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin', 'tsc');
const project = process.argv[2] ?? 'tsconfig.build.json';
if (project === 'tsconfig.build.json') rmSync(join(root, 'dist'), { recursive: true, force: true });
const result = spawnSync(process.execPath, [tsc, '-p', join(root, project)], { stdio: 'inherit' });
process.exit(result.status ?? 1);
