/** Where the addon's file is: built on this machine, or brought along by the package. */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** The system that an addon has to fit. */
export interface Platform {
  /** As `process.platform` and `process.arch`. */
  readonly os: string;
  readonly arch: string;
  /** The C library, where a system has more than one. */
  readonly libc: 'glibc' | 'musl' | undefined;
}

export interface AddonFile {
  readonly file: string;
  /** Whether the package brought it. */
  readonly prebuilt: boolean;
}

/** What `prebuilds/manifest.json` says; scripts/prebuilds.js writes it. */
interface Manifest {
  readonly files?: Readonly<Record<string, { readonly sha256?: string }>>;
}

/** `build/peerlane-install.json`, which scripts/install.js writes. */
interface InstallNote {
  /** Why there is no addon. */
  readonly reason?: unknown;
  /** Of the addon that it built, in hexadecimal. */
  readonly sha256?: unknown;
  /** When that addon was written, as `mtimeMs`, rounded up. */
  readonly writtenAt?: unknown;
}

/** The platform of this process. */
export function thisPlatform(): Platform {
  const { platform: os, arch } = process;
  return { os, arch, libc: os === 'linux' ? libcOf('/proc/self/maps') : undefined };
}

/** The C library in a process, by its memory map (proc_pid_maps(5)); glibc where that cannot be read. */
export function libcOf(maps: string): 'glibc' | 'musl' {
  if (!existsSync(maps)) return 'glibc';
  // Until 2.33 the file of glibc had the version in its name. musl's goes by many names.
  return /\/libc(\.so\.6|-2\.\d+\.so)$/m.test(readFileSync(maps, 'latin1')) ? 'glibc' : 'musl';
}

/** The name of a platform's addon in `prebuilds/`. */
export function prebuiltName({ os, arch, libc }: Platform): string {
  return `${os}-${arch}/peerlane.${libc === undefined ? '' : `${libc}.`}node`;
}

/**
 * The addon of the package in `root`: what was built there, else what came with it. `reason` says, for people, why
 * there is none.
 */
export function findAddon(root: string, platform: Platform): AddonFile | { readonly reason: string } {
  const built = join(root, 'build', 'Release', 'peerlane.node');
  const note = join(root, 'build', 'peerlane-install.json');
  if (existsSync(built)) {
    if (isDamaged(built, note)) return { reason: 'the addon build/Release/peerlane.node is damaged' };
    return { file: built, prebuilt: false };
  }
  const notBuilt = `the addon was not built: ${installReason(note)}`;
  // In a checkout a prebuilt addon would be older than the sources.
  if (existsSync(join(root, '.git')) || existsSync(join(root, 'src'))) return { reason: notBuilt };
  const found = findPrebuilt(join(root, 'prebuilds'), platform);
  return 'file' in found ? found : { reason: `${found.reason}; ${notBuilt}` };
}

function findPrebuilt(directory: string, platform: Platform): AddonFile | { readonly reason: string } {
  const name = prebuiltName(platform);
  const manifest = join(directory, 'manifest.json');
  const { files } = existsSync(manifest) ? (JSON.parse(readFileSync(manifest, 'utf8')) as Manifest) : {};
  const digest = files?.[name]?.sha256;
  if (digest === undefined) return { reason: `the package has no prebuilt addon for ${describe(platform)}` };
  const file = join(directory, name);
  if (!existsSync(file)) return { reason: `the prebuilt addon prebuilds/${name} is missing` };
  // To load a damaged library can end the process.
  if (sha256Of(file) !== digest) {
    return { reason: `the prebuilt addon prebuilds/${name} is damaged` };
  }
  return { file, prebuilt: true };
}

/**
 * Whether the addon is other than the one that the install script noted, and no later: a developer's own build is
 * later than the note, and is taken as it is.
 */
function isDamaged(file: string, note: string): boolean {
  if (!existsSync(note)) return false;
  const { sha256, writtenAt } = JSON.parse(readFileSync(note, 'utf8')) as InstallNote;
  if (typeof sha256 !== 'string' || typeof writtenAt !== 'number') return false;
  return statSync(file).mtimeMs <= writtenAt && sha256Of(file) !== sha256;
}

function sha256Of(file: string): string {
  return createHash('sha256').update(readFileSync(file)).digest('hex');
}

function describe({ os, arch, libc }: Platform): string {
  return `${os}-${arch}${libc === undefined ? '' : ` with ${libc}`}`;
}

/** What scripts/install.js left behind. */
function installReason(file: string): string {
  if (!existsSync(file)) return 'the install script did not run';
  const { reason } = JSON.parse(readFileSync(file, 'utf8')) as InstallNote;
  return typeof reason === 'string'
    ? `${reason} (see build/peerlane-install.json)`
    : 'see build/peerlane-install.json';
}
