// Prints where libsecp256k1's sources are; binding.gyp asks. A packed package brings them along; a checkout has
// those that scripts/vendor-secp256k1.js fetched, or else the npm package's of 2019, which are slower.
// PEERLANE_SECP256K1=npm passes over the fetched ones.
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

export function secp256k1Directory() {
  const local = [join(root, 'native', 'secp256k1')];
  if (process.env.PEERLANE_SECP256K1 !== 'npm') local.push(join(root, 'vendor', 'secp256k1'));
  const found = local.find((directory) => existsSync(directory));
  if (found !== undefined) return found;
  const require = createRequire(import.meta.url);
  return join(dirname(require.resolve('secp256k1/package.json')), 'src', 'secp256k1');
}

if (process.argv[1] !== undefined && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  process.stdout.write(relative(process.cwd(), secp256k1Directory()).replaceAll('\\', '/'));
}
