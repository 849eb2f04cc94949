/** Global setup of vitest: compiles `dist/`, which the tests of the command line run, unless it is up to date. */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const dist = join(root, 'dist');
const main = join('cli', 'main.js');

export default function setup(): void {
  if (isUpToDate()) return;
  const tsc = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin', 'tsc');
  // Beside the old one, and then put in its place: another run may be using that.
  const staged = join(root, 'build', `dist-${process.pid}`);
  const args = [tsc, '-p', join(root, 'tsconfig.build.json'), '--outDir', staged];
  // Code with wrong types is compiled all the same, and what is wrong is printed: the type check judges it.
  spawnSync(process.execPath, args, { stdio: 'inherit' });
  if (!existsSync(join(staged, main))) throw new Error('src/ could not be compiled');
  const old = join(root, 'build', `old-dist-${process.pid}`);
  if (existsSync(dist)) renameSync(dist, old);
  renameSync(staged, dist);
  rmSync(old, { recursive: true, force: true });
}

function isUpToDate(): boolean {
  const built = statSync(join(dist, main), { throwIfNoEntry: false })?.mtimeMs;
  return built !== undefined && newestSource() < built;
}

function newestSource(): number {
  const sources = readdirSync(join(root, 'src'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => join(entry.parentPath, entry.name));
  const inputs = [...sources, join(root, 'tsconfig.json'), join(root, 'tsconfig.build.json')];
  return Math.max(...inputs.map((path) => statSync(path).mtimeMs));
}
