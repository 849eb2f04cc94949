// dependency-cruiser passes when it sees no module at all, as it does with a compiler that it does not know.
// This fails unless it has seen every source file.
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const depcruise = join(root, 'node_modules', 'dependency-cruiser', 'bin', 'dependency-cruise.mjs');
const run = spawnSync(
  process.execPath,
  [depcruise, '--config', '.dependency-cruiser.cjs', '--output-type', 'json', 'src'],
  { cwd: root, encoding: 'utf8', maxBuffer: 1 << 28 },
);
if (run.error !== undefined || run.stdout === '') {
  console.error(run.stderr || run.error);
  process.exit(1);
}
const { modules } = JSON.parse(run.stdout);
const seen = new Set(modules.map(({ source }) => source));
const files = readdirSync(join(root, 'src'), { recursive: true })
  .map((name) => join('src', String(name)))
  .filter((name) => name.endsWith('.ts') && !name.endsWith('.d.ts'));
const missed = files.filter((file) => !seen.has(file));
if (missed.length > 0) {
  console.error(
    `the layering check did not see ${missed.length} of ${files.length} files:\n${missed.join('\n')}`,
  );
  process.exit(1);
}
// A folder that the rules do not know could import anything.
const { LAYERS } = createRequire(import.meta.url)('./layers.cjs');
const folders = readdirSync(join(root, 'src'), { withFileTypes: true }).filter((entry) =>
  entry.isDirectory(),
);
const unknown = folders.map(({ name }) => name).filter((name) => name !== 'cli' && !(name in LAYERS));
if (unknown.length > 0) {
  console.error(`scripts/layers.cjs does not say what these may import: ${unknown.join(', ')}`);
  process.exit(1);
}
console.log(`layers: ${files.length} source files checked`);
