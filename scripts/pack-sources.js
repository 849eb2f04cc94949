// Before and after packing: puts the sources of libsecp256k1 into the package, so that it can be compiled where it
// is installed. In a checkout they are 0.8.0's, if scripts/vendor-secp256k1.js has fetched them, or else those of the
// npm package `secp256k1`, a development dependency.
import { cpSync, existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { secp256k1Directory } from '../native/secp256k1.js';
import { root, sourceDigest } from './addon.js';

/** Prebuilt addons of other sources would hide what has changed. */
function checkPrebuilds() {
  const manifest = join(root, 'prebuilds', 'manifest.json');
  if (!existsSync(join(root, 'prebuilds'))) return;
  if (existsSync(manifest) && JSON.parse(readFileSync(manifest, 'utf8')).sources === sourceDigest()) return;
  console.error('error: prebuilds/ is not of these sources: run `npm run prebuilds`, or remove it');
  process.exit(1);
}

const target = join(root, 'native', 'secp256k1');
rmSync(target, { recursive: true, force: true });
if (process.argv[2] !== '--remove') {
  checkPrebuilds();
  const source = secp256k1Directory();
  for (const part of ['include', 'src', 'COPYING']) {
    cpSync(join(source, part), join(target, part), {
      recursive: true,
      // Tests, benchmarks and bindings for other languages are not compiled.
      filter: (path) =>
        !/[\\/](java|asm|(?!selftest)[^\\/]*(test|bench)[^\\/]*)$/.test(path.slice(source.length)),
    });
  }
}
