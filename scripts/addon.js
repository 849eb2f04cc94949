// Building and trying the addon: what the install script and the sanitizer run share.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, realpathSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { secp256k1Directory } from '../native/secp256k1.js';

export const root = dirname(dirname(fileURLToPath(import.meta.url)));
const require = createRequire(import.meta.url);

/** Where a bundled `include/node` makes the download of headers unnecessary. */
export function nodeDirectory() {
  const prefix = dirname(dirname(realpathSync(process.execPath)));
  return existsSync(join(prefix, 'include', 'node', 'node_api.h')) ? prefix : undefined;
}

/** Runs node-gyp in `directory`; its exit status and everything it said. */
export function buildAddon(directory, gypOptions = []) {
  const nodeGyp = join(dirname(require.resolve('node-gyp/package.json')), 'bin', 'node-gyp.js');
  const nodeDir = nodeDirectory();
  const options = nodeDir === undefined ? [] : [`--nodedir=${nodeDir}`];
  const args = [nodeGyp, 'rebuild', '--release', ...options, '--', ...gypOptions];
  return run(process.execPath, args, { cwd: directory });
}

/** Why the addon in `file` cannot be loaded, or `undefined` if it can. Tried in a process that may crash. */
export function loadFailure(file) {
  const { PEERLANE_CPU, ...env } = process.env;
  const { status, output } = run(process.execPath, ['-e', `require(${JSON.stringify(file)})`], { env });
  if (status === 0) return undefined;
  return (
    output.split('\n').find((line) => line.includes('Error')) ?? `loading it ended with status ${status}`
  );
}

export function run(command, args, options = {}) {
  const { status, error, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8', ...options });
  return { status: error ? -1 : status, stdout, output: error ? error.message : `${stdout}${stderr}` };
}

function filesIn(directory) {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}

/** A digest of all that an addon is made of. */
export function sourceDigest() {
  const hash = createHash('sha256');
  const sources = [...filesIn(join(root, 'native')), ...filesIn(secp256k1Directory())];
  for (const file of [join(root, 'binding.gyp'), ...sources]) hash.update(readFileSync(file));
  return hash.digest('hex');
}

/** Whether `command --version` works. */
export function answers(command) {
  return run(command, ['--version']).status === 0;
}
