import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { findAddon, libcOf, type Platform, prebuiltName, thisPlatform } from '../../src/crypto/addon-file.ts';

const folder = mkdtempSync(join(tmpdir(), 'peerlane-addon-file-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const digest = (content: string): string => createHash('sha256').update(content).digest('hex');

/** An installed package with these files. */
function packageWith(files: Readonly<Record<string, string>>): string {
  const root = mkdtempSync(join(folder, 'package-'));
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(root, name)), { recursive: true });
    writeFileSync(join(root, name), content);
  }
  return root;
}

const glibc: Platform = { os: 'linux', arch: 'x64', libc: 'glibc' };
const musl: Platform = { ...glibc, libc: 'musl' };
const NAME = 'linux-x64/peerlane.glibc.node';
const MANIFEST = JSON.stringify({ files: { [NAME]: { sha256: digest('addon') } } });
const PREBUILT = { [`prebuilds/${NAME}`]: 'addon', 'prebuilds/manifest.json': MANIFEST };
const BUILT = { 'build/Release/peerlane.node': 'addon' };

describe('the name of a prebuilt addon', () => {
  it.each<[Platform, string]>([
    [glibc, NAME],
    [musl, 'linux-x64/peerlane.musl.node'],
    [{ os: 'darwin', arch: 'arm64', libc: undefined }, 'darwin-arm64/peerlane.node'],
    [{ os: 'win32', arch: 'x64', libc: undefined }, 'win32-x64/peerlane.node'],
  ])('of %j is %s', (platform, name) => {
    expect(prebuiltName(platform)).toBe(name);
  });
});

describe('the addon that is loaded', () => {
  it('is the one that was built here', () => {
    const root = packageWith({ ...BUILT, ...PREBUILT });
    expect(findAddon(root, glibc)).toEqual({
      file: join(root, 'build/Release/peerlane.node'),
      prebuilt: false,
    });
  });

  it('is else the one that came with the package', () => {
    const root = packageWith(PREBUILT);
    expect(findAddon(root, glibc)).toEqual({ file: join(root, 'prebuilds', NAME), prebuilt: true });
  });

  it.each(['.git/HEAD', 'src/index.ts'])('is in a checkout, which has %s, never a prebuilt one', (file) => {
    expect(findAddon(packageWith({ ...PREBUILT, [file]: '' }), glibc)).toEqual({
      reason: 'the addon was not built: the install script did not run',
    });
  });

  const notBuilt = '; the addon was not built: the install script did not run';
  it.each<[string, Record<string, string>, Platform, string]>([
    ['of another libc', PREBUILT, musl, 'the package has no prebuilt addon for linux-x64 with musl'],
    [
      'of another system',
      PREBUILT,
      { os: 'aix', arch: 'ppc64', libc: undefined },
      'the package has no prebuilt addon for aix-ppc64',
    ],
    ['absent', {}, glibc, 'the package has no prebuilt addon for linux-x64 with glibc'],
    [
      'deleted',
      { 'prebuilds/manifest.json': MANIFEST },
      glibc,
      `the prebuilt addon prebuilds/${NAME} is missing`,
    ],
    [
      'cut short',
      { ...PREBUILT, [`prebuilds/${NAME}`]: 'addo' },
      glibc,
      `the prebuilt addon prebuilds/${NAME} is damaged`,
    ],
    [
      'changed',
      { ...PREBUILT, [`prebuilds/${NAME}`]: 'adson' },
      glibc,
      `the prebuilt addon prebuilds/${NAME} is damaged`,
    ],
  ])('is none when the prebuilt one is %s, and the reason says so', (_, files, platform, reason) => {
    expect(findAddon(packageWith(files), platform)).toEqual({ reason: reason + notBuilt });
  });

  it('is none for the reason that the install script left', () => {
    const root = packageWith({
      'build/peerlane-install.json': JSON.stringify({ ok: false, reason: 'make was not found' }),
    });
    expect(findAddon(root, glibc)).toEqual({
      reason: expect.stringMatching(/: make was not found \(see build\/peerlane-install\.json\)$/),
    });
  });
});

describe('the addon that was built here', () => {
  const WRITTEN_AT = 1_700_000_000_000;
  /** A package whose install script noted `note`, and whose addon was last written `later` ms after that one. */
  const foundWith = (note: Record<string, unknown>, later: number): unknown => {
    const root = packageWith({ ...BUILT, 'build/peerlane-install.json': JSON.stringify(note) });
    const file = join(root, 'build/Release/peerlane.node');
    utimesSync(file, new Date(), new Date(WRITTEN_AT + later));
    return findAddon(root, glibc);
  };
  const noted = { ok: true, sha256: digest('adson'), writtenAt: WRITTEN_AT };
  const taken = { file: expect.any(String), prebuilt: false };

  it('is refused when it is other than the one that the install script noted', () => {
    expect(foundWith(noted, 0)).toEqual({ reason: 'the addon build/Release/peerlane.node is damaged' });
  });

  it.each<[string, Record<string, unknown>, number]>([
    ['is the noted one', { ...noted, sha256: digest('addon') }, 0],
    ['is a later build than the noted one', noted, 1000],
    ['is there although the install script failed', { ok: false, reason: 'make was not found' }, 0],
  ])('is taken when it %s', (_, note, later) => {
    expect(foundWith(note, later)).toEqual(taken);
  });
});

describe('the C library', () => {
  const LINE = '7f00-7f01 r-xp 00000000 08:01 42                         ';
  it.each([
    ['glibc', '/usr/lib/x86_64-linux-gnu/libc.so.6'],
    ['glibc', '/lib/aarch64-linux-gnu/libc-2.31.so'],
    ['musl', '/lib/ld-musl-x86_64.so.1'],
    ['musl', '/usr/lib/libc.so'],
  ])('is %s where the process has mapped %s', (libc, path) => {
    const maps = join(mkdtempSync(join(folder, 'maps-')), 'maps');
    writeFileSync(maps, `${LINE}/usr/bin/node\n${LINE}${path}\n${LINE}[stack]\n`);
    expect(libcOf(maps)).toBe(libc);
  });

  it('is taken for glibc where nothing can be read', () => {
    expect(libcOf(join(folder, 'absent'))).toBe('glibc');
  });

  it('is asked for on Linux only', () => {
    expect(thisPlatform()).toEqual({
      os: process.platform,
      arch: process.arch,
      libc: process.platform === 'linux' ? expect.stringMatching(/^(glibc|musl)$/) : undefined,
    });
  });
});
