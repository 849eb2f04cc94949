import { createHash } from 'node:crypto';
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { InstalledPackage, NODES, root, run } from './installed.ts';

const PREBUILT = [
  'darwin-arm64/peerlane.node',
  'darwin-x64/peerlane.node',
  'linux-arm64/peerlane.glibc.node',
  'linux-arm64/peerlane.musl.node',
  'linux-x64/peerlane.glibc.node',
  'linux-x64/peerlane.musl.node',
  'win32-x64/peerlane.node',
];
const EMPTY_DIGEST = 'c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470';
/** 0.8.0 where cargo could fetch it; binding.gyp compiles the npm package's sources elsewhere. */
const isNewer = existsSync(join(root, 'vendor', 'secp256k1')) && process.env.PEERLANE_SECP256K1 !== 'npm';
const LIBRARY = isNewer ? /libsecp256k1 0\.8\.0/ : /libsecp256k1 of 2019/;

let installed: InstalledPackage;
beforeAll(() => {
  installed = new InstalledPackage();
});
afterAll(() => installed?.remove());

describe('the tarball', () => {
  const names = (): string[] => installed.files.map(({ path }) => path);

  it.each([
    'dist/index.js',
    'dist/index.d.ts',
    'dist/cli/main.js',
    'binding.gyp',
    'native/secp256k1/src/secp256k1.c',
    'native/secp256k1/COPYING',
    'prebuilds/manifest.json',
    'prebuilds/LICENSES.txt',
    'docs/platforms.md',
    'LICENSE',
    'README.md',
  ])('has %s', (name) => {
    expect(names()).toContain(name);
  });

  it('has the addon for each platform', () => {
    const addons = names().filter((name) => name.endsWith('.node'));
    expect(addons.sort()).toEqual(PREBUILT.map((name) => `prebuilds/${name}`));
  });

  const textOf = (name: string): string =>
    readFileSync(join(installed.directory, 'prebuilds', name), 'latin1');

  it.each(PREBUILT.filter((name) => name.includes('glibc')))(
    'has %s, which asks for glibc 2.28 at most',
    (name) => {
      const asked = [...textOf(name).matchAll(/GLIBC_2\.(\d+)/g)].map(([, minor]) => Number(minor));
      expect(asked).not.toEqual([]);
      expect(Math.max(...asked)).toBeLessThanOrEqual(28);
    },
  );

  it.each(PREBUILT)('has %s, which does not say where it was built', (name) => {
    expect(textOf(name)).not.toContain(root);
    expect(textOf(name)).not.toContain(join(tmpdir(), 'peerlane'));
  });

  it('has the newer libsecp256k1, where this checkout has it', () => {
    expect(names().includes('native/secp256k1/src/precomputed_ecmult.c')).toBe(isNewer);
  });

  it('has source maps that carry their sources', () => {
    const map: unknown = JSON.parse(readFileSync(join(installed.directory, 'dist', 'index.js.map'), 'utf8'));
    expect(map).toMatchObject({ sources: ['../src/index.ts'], sourcesContent: [expect.any(String)] });
  });

  it('has nothing that no user needs', () => {
    expect(
      names().filter((name) => /^(src|test|bench|\.ci|\.github|build|data|vendor)\//.test(name)),
    ).toEqual([]);
  });

  it('is smaller than 8 MB', () => {
    console.log(`${installed.files.length} files, ${installed.packedSize} bytes packed`);
    expect(installed.packedSize).toBeLessThan(8e6);
  });

  it.each([
    ['publint', ['run'], ['--strict']],
    ['attw', [], ['--profile', 'esm-only']],
  ])('pleases %s', (tool, before, after) => {
    const command = ['npx', '--no-install', tool, ...before, installed.tarball, ...after];
    const { status, stdout, stderr } = run(command, root);
    expect(status, stdout + stderr).toBe(0);
  });
});

describe('installed without a compiler and without install scripts', () => {
  it.each([
    ['Node 20', 20, 'x64'],
    ['Node 22', 22, 'x64'],
    ['Node 24', 24, 'x64'],
    ['Node 20 on arm64', 20, 'arm64'],
  ] as const)('it runs the addon that came with it on %s', (name, major, arch) => {
    expect(installed.backend(name)).toEqual({
      name: 'native',
      detail: expect.stringMatching(LIBRARY),
      reason: 'the addon works here',
      addon: {
        file: join(installed.directory, 'prebuilds', `linux-${arch}`, 'peerlane.glibc.node'),
        prebuilt: true,
      },
      digest: EMPTY_DIGEST,
      major,
      arch,
    });
  });

  it.each(Object.keys(NODES) as (keyof typeof NODES)[])('JavaScript gives the same on %s', (name) => {
    const { stdout } = installed.run(name, { PEERLANE_BACKEND: 'js' });
    expect(JSON.parse(stdout)).toMatchObject({ name: 'js', digest: EMPTY_DIGEST });
  });

  it('it measures both backends', () => {
    const main = join(installed.directory, 'dist', 'cli', 'main.js');
    const args = ['bench', '--quick', '--only', 'keccak256-1k', '--json'];
    const { status, stdout } = run([...NODES['Node 22'], main, ...args], installed.folder);
    expect(status, stdout).toBe(0);
    for (const subject of ['native', 'js']) expect(stdout).toContain(`"subject":"${subject}"`);
  });

  it('its command line names the file, and the licences', () => {
    const main = join(installed.directory, 'dist', 'cli', 'main.js');
    const { stdout } = run([...NODES['Node 22'], main, 'info'], installed.folder);
    expect(stdout).toMatch(/^addon {4}.*linux-x64\/peerlane\.glibc\.node, came with the package$/m);
    expect(stdout).toMatch(/^licence {2}MIT; .*see prebuilds\/LICENSES\.txt$/m);
  });
});

/** Changes a file of the installed package until the end of the test. */
function change(name: string, edit: (content: Buffer<ArrayBuffer>) => Uint8Array | string | undefined): void {
  const file = join(installed.directory, name);
  const kept = readFileSync(file);
  onTestFinished(() => writeFileSync(file, kept));
  const content = edit(Buffer.from(kept));
  if (content === undefined) rmSync(file);
  else writeFileSync(file, content);
}

function changeManifest(edit: (files: Record<string, unknown>) => void): void {
  change('prebuilds/manifest.json', (content) => {
    const manifest = JSON.parse(content.toString()) as { files: Record<string, unknown> };
    edit(manifest.files);
    return JSON.stringify(manifest);
  });
}

const GLIBC = 'prebuilds/linux-x64/peerlane.glibc.node';
const withByteFlipped = (at: (length: number) => number) => (content: Buffer<ArrayBuffer>) => {
  const place = at(content.length);
  content[place] = (content[place] ?? 0) ^ 0xff;
  return content;
};

describe('JavaScript runs, and says why, where the addon that came along', () => {
  it.each([
    ['is deleted', () => undefined, `prebuilds/linux-x64/peerlane.glibc.node is missing`],
    ['is empty', () => '', 'is damaged'],
    ['is cut in half', (content: Buffer) => content.subarray(0, content.length >> 1), 'is damaged'],
    ['has a wrong byte in its header', withByteFlipped(() => 24), 'is damaged'],
    ['has a wrong byte in its code', withByteFlipped((length) => length >> 1), 'is damaged'],
    ['is text', () => 'not found', 'is damaged'],
  ])('%s', (_, edit, reason) => {
    change(GLIBC, edit);
    expect(installed.backend()).toMatchObject({
      name: 'js',
      digest: EMPTY_DIGEST,
      reason: expect.stringMatching(
        new RegExp(`${reason}; the addon was not built: the install script did not run$`),
      ),
    });
    const forced = installed.run('Node 22', { PEERLANE_BACKEND: 'native' });
    expect([forced.status, forced.signal]).toEqual([1, null]);
    expect(forced.stderr).toContain(reason);
  });

  it.each([
    ['another libc', 'linux-x64/peerlane.musl.node'],
    ['another CPU', 'linux-arm64/peerlane.glibc.node'],
    ['another system', 'win32-x64/peerlane.node'],
  ])('is for %s, under the name of this one', (_, name) => {
    const other = readFileSync(join(installed.directory, 'prebuilds', name));
    const sha256 = createHash('sha256').update(other).digest('hex');
    change(GLIBC, () => other);
    changeManifest((files) => {
      files['linux-x64/peerlane.glibc.node'] = { sha256 };
    });
    expect(installed.backend()).toMatchObject({
      name: 'js',
      digest: EMPTY_DIGEST,
      reason: expect.stringMatching(/^the addon failed to load: /),
    });
  });

  it('is of another libc only', () => {
    changeManifest((files) => {
      delete files['linux-x64/peerlane.glibc.node'];
    });
    expect(installed.backend()).toMatchObject({
      name: 'js',
      reason: expect.stringMatching(/^the package has no prebuilt addon for linux-x64 with glibc; /),
    });
  });
});

describe('the install script', () => {
  const install = (env: NodeJS.ProcessEnv): void => {
    const { status, stderr } = run([process.execPath, 'scripts/install.js'], installed.directory, env);
    expect([status, stderr]).toEqual([0, '']);
  };
  /** Takes away the prebuilt addons, and what is built, until the end of the test. */
  const withoutPrebuilds = (): void => {
    const [there, away] = [join(installed.directory, 'prebuilds'), join(installed.directory, 'away')];
    renameSync(there, away);
    onTestFinished(() => {
      renameSync(away, there);
      rmSync(join(installed.directory, 'build'), { recursive: true, force: true });
    });
  };

  it('compiles nothing where the addon that came along works', () => {
    install({});
    expect(existsSync(join(installed.directory, 'build'))).toBe(false);
  });

  it('says what it misses where there is neither an addon nor a compiler', () => {
    withoutPrebuilds();
    install({ PATH: installed.barePath });
    expect(installed.backend()).toMatchObject({
      name: 'js',
      reason: expect.stringMatching(/: no C\+\+ compiler was found \(see build\/peerlane-install\.json\)$/),
    });
  });

  it('compiles what the package brings where no addon came along, and that runs', () => {
    withoutPrebuilds();
    install({});
    expect(installed.backend()).toMatchObject({
      name: 'native',
      detail: expect.stringMatching(LIBRARY),
      addon: { file: join(installed.directory, 'build', 'Release', 'peerlane.node'), prebuilt: false },
    });
  });
});
