// Fetches libsecp256k1 0.8.0, with cargo, from the crate that carries its C sources, into vendor/secp256k1/, and
// builds the addon anew: handshakes are then half as fast again as with the npm package's sources of 2019. No Rust is
// compiled. To go back: remove vendor/ and run scripts/install.js. With --no-build it only fetches.
import { createHash } from 'node:crypto';
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { answers, root, run } from './addon.js';

// native/secp256k1_names.h depends on the version.
const CRATE = 'secp256k1-sys';
const VERSION = '0.14.1';
/** SHA-256 of the .crate file; cargo compares it with what it downloads. */
const CHECKSUM = 'f6b2992d4a3cd244539a7d5d0966aadbe5ca7fb868a5d7e38c29499b9e709bbd';
/** What the addon is compiled from, and the licence; none of the tests, tools and other modules. */
const WANTED =
  /^(COPYING|include\/.*\.h|src\/[^/]*\.h|src\/(secp256k1|precomputed_ecmult(_gen)?)\.c|src\/modules\/(ecdh|recovery)\/main_impl\.h)$/;
const UNWANTED = /(?<!self)test|bench|compute_table/;

const target = join(root, 'vendor', 'secp256k1');

function fail(message) {
  console.error(`error: ${message}`);
  process.exit(1);
}

/** Has cargo put the crate into a folder below `directory`; that folder. */
function fetchCrate(directory) {
  mkdirSync(join(directory, 'src'));
  writeFileSync(join(directory, 'src', 'lib.rs'), '');
  writeFileSync(
    join(directory, 'Cargo.toml'),
    `[package]\nname = "vendor"\nversion = "0.0.0"\nedition = "2021"\n\n[dependencies]\n${CRATE} = "=${VERSION}"\n`,
  );
  const { status, output } = run('cargo', ['vendor', '--versioned-dirs'], { cwd: directory });
  if (status !== 0) fail(`cargo vendor: ${output.trim()}`);
  return join(directory, 'vendor', `${CRATE}-${VERSION}`);
}

/** The names of the wanted files, each of which has the digest that cargo noted. */
function verified(crate) {
  const { package: checksum, files } = JSON.parse(readFileSync(join(crate, '.cargo-checksum.json'), 'utf8'));
  if (checksum !== CHECKSUM) fail(`${CRATE} ${VERSION} has the checksum ${checksum}, not ${CHECKSUM}`);
  const sources = join(crate, 'depend', 'secp256k1');
  const names = readdirSync(sources, { recursive: true })
    .map((name) => String(name).replaceAll('\\', '/'))
    .filter((name) => WANTED.test(name) && !UNWANTED.test(name));
  for (const name of names) {
    const digest = createHash('sha256')
      .update(readFileSync(join(sources, name)))
      .digest('hex');
    if (digest !== files[`depend/secp256k1/${name}`]) fail(`${name} is not as it was published`);
  }
  return { sources, names };
}

if (!answers('cargo')) fail('cargo was not found');
const temporary = mkdtempSync(join(tmpdir(), 'peerlane-secp256k1-'));
try {
  const { sources, names } = verified(fetchCrate(temporary));
  const incoming = `${target}.new`;
  rmSync(incoming, { recursive: true, force: true });
  for (const name of names) {
    mkdirSync(dirname(join(incoming, name)), { recursive: true });
    cpSync(join(sources, name), join(incoming, name));
  }
  rmSync(target, { recursive: true, force: true });
  renameSync(incoming, target);
  console.log(`vendor/secp256k1: ${names.length} files of ${CRATE} ${VERSION}`);
} finally {
  rmSync(temporary, { recursive: true, force: true });
}
if (!process.argv.includes('--no-build')) {
  // It says something only where there is no addon in the end.
  const { output } = run(process.execPath, [join(root, 'scripts', 'install.js')]);
  if (output !== '') fail(output.trim());
}
