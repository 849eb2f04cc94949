// Runs tests on an addon with AddressSanitizer and UndefinedBehaviorSanitizer in it; which libsecp256k1 that has,
// native/secp256k1.js decides:
//   node scripts/asan.js [arguments of vitest, default: run --project native test/crypto test/rlpx]
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, realpathSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { buildAddon, root, run } from './addon.js';

const directory = join(root, 'build-asan');
const tests =
  process.argv.length > 2
    ? process.argv.slice(2)
    : ['run', '--project', 'native', 'test/crypto', 'test/rlpx'];

/** node itself is built without the sanitizers, so that their libraries have to be there before it. */
function runtime(name) {
  const { output } = run(process.env.CC || 'gcc', [`-print-file-name=${name}`]);
  return realpathSync(output.trim());
}

mkdirSync(directory, { recursive: true });
for (const source of ['binding.gyp', 'native', 'vendor']) {
  rmSync(join(directory, source), { recursive: true, force: true });
  if (existsSync(join(root, source))) {
    cpSync(join(root, source), join(directory, source), { recursive: true });
  }
}
const { status, output } = buildAddon(directory, ['-Dsanitize=1']);
if (status !== 0) {
  console.error(output);
  process.exit(1);
}
const require = createRequire(import.meta.url);
const vitest = join(dirname(require.resolve('vitest/package.json')), 'vitest.mjs');
const result = spawnSync(process.execPath, [vitest, ...tests], {
  cwd: root,
  stdio: 'inherit',
  env: {
    ...process.env,
    LD_PRELOAD: ['libasan.so', 'libubsan.so', 'libstdc++.so'].map(runtime).join(' '),
    ASAN_OPTIONS: 'detect_leaks=0',
    UBSAN_OPTIONS: 'print_stacktrace=1',
    PEERLANE_ADDON: join(directory, 'build', 'Release', 'peerlane.node'),
    PEERLANE_BACKEND: 'native',
  },
});
process.exit(result.status ?? 1);
