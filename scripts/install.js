// npm's install script: builds the addon where none came along that works, and a compiler is at hand. It never fails
// an installation; why there is no addon stands in build/peerlane-install.json, where the loader finds it.
// PEERLANE_NO_BUILD=1 skips the build.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { answers, buildAddon, loadFailure, root, run, sourceDigest } from './addon.js';

const built = join(root, 'build', 'Release', 'peerlane.node');
const report = join(root, 'build', 'peerlane-install.json');
const LOG_LENGTH = 4000;

/** What the built addon follows from. */
function fingerprint() {
  const hash = createHash('sha256');
  hash.update(`${process.platform} ${process.arch} ${process.env.CC ?? ''} ${process.env.CXX ?? ''}\n`);
  return hash.update(sourceDigest()).digest('hex');
}

function digestOf(file) {
  return createHash('sha256').update(readFileSync(file)).digest('hex');
}

function isUpToDate(wanted) {
  if (!existsSync(built) || !existsSync(report)) return false;
  const { fingerprint: found, sha256 } = JSON.parse(readFileSync(report, 'utf8'));
  return found === wanted && sha256 === digestOf(built) && loadFailure(built) === undefined;
}

/** Whether the package came with an addon that its own loader is content with; a checkout's loader takes none. */
function hasPrebuilt() {
  const loader = join(root, 'dist', 'crypto', 'load.js');
  const checkout = existsSync(join(root, '.git')) || existsSync(join(root, 'src'));
  if (checkout || !existsSync(join(root, 'prebuilds')) || !existsSync(loader)) return false;
  const { PEERLANE_CPU, PEERLANE_ADDON, ...others } = process.env;
  const program = `import ${JSON.stringify(pathToFileURL(loader))}`;
  const env = { ...others, PEERLANE_BACKEND: 'native' };
  return run(process.execPath, ['--input-type=module', '-e', program], { env }).status === 0;
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
  // The loader refuses another file in its place, unless that is later: then it is a developer's own build.
  const writtenAt = Math.ceil(statSync(built).mtimeMs);
  return { ok: true, fingerprint: fingerprint(), sha256: digestOf(built), writtenAt };
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
