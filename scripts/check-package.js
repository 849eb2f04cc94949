// Packs the package as npm would publish it and looks at the result as a user would: what is in it, that its
// exports and types resolve, and that it installs and runs in an empty folder.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const folder = mkdtempSync(join(tmpdir(), 'peerlane-package-'));
const run = (cwd, command, ...args) =>
  execFileSync(command, args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });

try {
  const printed = run(root, 'npm', 'pack', '--json', '--silent', '--pack-destination', folder);
  const [packed] = JSON.parse(printed.slice(printed.indexOf('[')));
  const names = packed.files.map(({ path }) => path);
  for (const needed of [
    'dist/index.js',
    'dist/index.d.ts',
    'dist/cli/main.js',
    'binding.gyp',
    'native/secp256k1/src/secp256k1.c',
    'LICENSE',
    'README.md',
  ]) {
    if (!names.includes(needed)) throw new Error(`the package has no ${needed}`);
  }
  const strange = names.filter((name) => /^(test|bench|\.ci|build|data)\//.test(name));
  if (strange.length > 0) throw new Error(`the package has files that no user needs: ${strange.join(', ')}`);
  console.log(`${packed.filename}: ${names.length} files, ${packed.size} bytes packed`);

  const tarball = join(folder, packed.filename);
  const map = JSON.parse(run(root, 'tar', '-xzOf', tarball, 'package/dist/index.js.map'));
  if (map.sourcesContent?.length !== map.sources.length) throw new Error('the source maps lead nowhere');
  for (const [tool, ...args] of [
    ['publint', 'run', tarball, '--strict'],
    ['attw', tarball, '--profile', 'esm-only'],
  ]) {
    const checked = spawnSync('npx', ['--no-install', tool, ...args], { cwd: root, stdio: 'inherit' });
    if (checked.status !== 0) throw new Error(`${tool} is not content`);
  }

  writeFileSync(
    join(folder, 'package.json'),
    JSON.stringify({ name: 'a-user', private: true, type: 'module' }),
  );
  run(folder, 'npm', 'install', '--no-audit', '--no-fund', tarball);
  writeFileSync(
    join(folder, 'program.js'),
    `import { Server, VERSION } from 'peerlane';
     import { backend, keccak256 } from 'peerlane/crypto';
     import { encode, uint } from 'peerlane/rlp';
     import { parseEnode } from 'peerlane/enr';
     import { freshRandomness } from 'peerlane/rlpx';
     import { ethProtocols } from 'peerlane/eth';
     for (const value of [Server, keccak256, encode, uint, parseEnode, freshRandomness, ethProtocols]) {
       if (typeof value !== 'function') throw new Error('an export is missing');
     }
     console.log(VERSION, backend.name, backend.reason);`,
  );
  // npm may forbid install scripts: then the JavaScript backend runs, and says why.
  console.log(run(folder, process.execPath, 'program.js').trim());
  console.log(run(folder, 'npx', '--no-install', 'peerlane', 'info').trim());
  console.log(
    run(folder, 'npx', '--no-install', 'peerlane', 'bench', '--quick', '--only', 'handshake').trim(),
  );
  // Where the script does run, the package brings all that the addon is made of.
  run(join(folder, 'node_modules', 'peerlane'), process.execPath, 'scripts/install.js');
  const built = run(folder, process.execPath, 'program.js').trim();
  console.log(built);
  if (!/ native /.test(built)) throw new Error('the addon does not build from the package');
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
