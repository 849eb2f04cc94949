// npm's install script: builds the addon where a compiler is at hand. It never fails an installation; why there is
// no addon stands in build/peerlane-install.json, where the loader finds it. PEERLANE_NO_BUILD=1 skips the build.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { secp256k1Directory } from '../native/secp256k1.js';
import { answers, buildAddon, loadFailure, root } from './addon.js';

const require = createRequire(import.meta.url);
const built = join(root, 'build', 'Release', 'peerlane.node');
const report = join(root, 'build', 'peerlane-install.json');
const LOG_LENGTH = 4000;

function filesIn(directory) {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}

/** What the built addon follows from. */
function fingerprint() {
  const hash = createHash('sha256');
  hash.update(`${process.platform} ${process.arch} ${process.env.CC ?? ''} ${process.env.CXX ?? ''}\n`);
  const sources = [...filesIn(join(root, 'native')), ...filesIn(secp256k1Directory())];
  for (const file of [join(root, 'binding.gyp'), ...sources]) hash.update(readFileSync(file));
  return hash.digest('hex');
}

function isUpToDate(wanted) {
  if (!existsSync(built) || !existsSync(report)) return false;
  return JSON.parse(readFileSync(report, 'utf8')).fingerprint === wanted && loadFailure(built) === undefined;
}

/** An installed package may come with an addon for this platform; a checkout's would be older than its sources. */
function hasPrebuilt() {
  const checkout = existsSync(join(root, '.git')) || existsSync(join(root, 'src'));
  if (checkout || !existsSync(join(root, 'prebuilds'))) return false;
  try {
    return loadFailure(require('node-gyp-build').resolve(root)) === undefined;
  } catch {
    return false;
  }
}

/** Which tool node-gyp would miss, in words that say more than its log; on Windows it finds its tools itself. */
function missingTool() {
  if (process.platform === 'win32') return undefined;
  const { CXX, MAKE, PYTHON, npm_config_python } = process.env;
  if (![CXX, 'c++', 'g++', 'clang++'].some((name) => name && answers(name)))
    return 'no C++ compiler was found';
  if (!answers(MAKE || 'make')) return 'make was not found';
  if (![PYTHON, npm_config_python, 'python3', 'python'].some((name) => name && answers(name))) {
    return 'Python, which node-gyp needs, was not found';
  }
  return undefined;
}

/** Builds; what to report. */
function build() {
  if (process.env.PEERLANE_NO_BUILD === '1') return { ok: false, reason: 'PEERLANE_NO_BUILD=1 was set' };
  const missing = missingTool();
  if (missing !== undefined) return { ok: false, reason: missing };
  const { status, output } = buildAddon(root);
  const log = output.slice(-LOG_LENGTH);
  if (status !== 0) return { ok: false, reason: 'the compilation failed', log };
  const failure = loadFailure(built);
  if (failure !== undefined) return { ok: false, reason: `the built addon does not load: ${failure}`, log };
  return { ok: true, fingerprint: fingerprint() };
}

function install() {
  if (hasPrebuilt() || isUpToDate(fingerprint())) return;
  const result = build();
  // Only now: node-gyp empties the directory.
  mkdirSync(join(root, 'build'), { recursive: true });
  writeFileSync(report, `${JSON.stringify(result, undefined, 2)}\n`);
  if (!result.ok)
    console.log(`peerlane: the addon was not built (${result.reason}); JavaScript does its work.`);
}

try {
  install();
} catch (error) {
  console.log(`peerlane: the addon was not built (${error.message}); JavaScript does its work.`);
}
