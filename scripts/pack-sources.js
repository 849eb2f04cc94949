// Before and after packing: puts the sources of libsecp256k1 into the package, so that it can be compiled where it
// is installed. In a checkout they come from the npm package `secp256k1`, a development dependency.
import { cpSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const target = join(root, 'native', 'secp256k1');
rmSync(target, { recursive: true, force: true });
if (process.argv[2] !== '--remove') {
  const source = join(
    dirname(createRequire(import.meta.url).resolve('secp256k1/package.json')),
    'src',
    'secp256k1',
  );
  cpSync(join(source, 'include'), join(target, 'include'), { recursive: true });
  cpSync(join(source, 'src'), join(target, 'src'), {
    recursive: true,
    // Tests, benchmarks and bindings for other languages are not compiled.
    filter: (path) => !/[\\/](java|asm|[^\\/]*(test|bench)[^\\/]*)$/.test(path),
  });
  cpSync(join(source, 'COPYING'), join(target, 'COPYING'));
}
