// Builds the addon for all platforms that the package brings it for, with zig as the cross compiler, into
// prebuilds/: npm run prebuilds [-- PREFIX...], for instance `linux-x64`. binding.gyp says what is compiled and how;
// node-gyp's own gyp reads it. A checkout does not load these files: npm pack takes them.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism, homedir, tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { secp256k1Directory } from '../native/secp256k1.js';
import { nodeDirectory, root, run, sourceDigest } from './addon.js';

const ZIG = '0.17.1';
/** Where older systems begin: Debian 10, RHEL 8, Ubuntu 18.10; macOS 11. */
const PLATFORMS = [
  { file: 'linux-x64/peerlane.glibc.node', os: 'linux', arch: 'x64', zig: 'x86_64-linux-gnu.2.28' },
  { file: 'linux-x64/peerlane.musl.node', os: 'linux', arch: 'x64', zig: 'x86_64-linux-musl' },
  { file: 'linux-arm64/peerlane.glibc.node', os: 'linux', arch: 'arm64', zig: 'aarch64-linux-gnu.2.28' },
  { file: 'linux-arm64/peerlane.musl.node', os: 'linux', arch: 'arm64', zig: 'aarch64-linux-musl' },
  { file: 'darwin-x64/peerlane.node', os: 'mac', arch: 'x64', zig: 'x86_64-macos.11.0' },
  { file: 'darwin-arm64/peerlane.node', os: 'mac', arch: 'arm64', zig: 'aarch64-macos.11.0' },
  { file: 'win32-x64/peerlane.node', os: 'win', arch: 'x64', zig: 'x86_64-windows-gnu' },
];

const require = createRequire(import.meta.url);
const tools = process.env.PEERLANE_TOOLS || join(homedir(), '.cache', 'peerlane-tools');
const prebuilds = join(root, 'prebuilds');
const here = join(root, 'scripts', 'prebuilds');

const python = ['python3', 'python'].find((name) => run(name, ['--version']).status === 0);

/** What `command` prints; its errors are ours. */
function ask(command, args) {
  const { status, stdout, output } = run(command, args, { cwd: root });
  if (status !== 0) throw new Error(`${basename(command)} ${args[0]}: ${output.trim()}`);
  return stdout;
}

/** The directory of zig, which is installed from PyPI if it is not there. */
function zigDirectory() {
  const directory = join(tools, `zig-${ZIG}`);
  const zig = join(directory, 'ziglang', 'zig');
  if (run(zig, ['version']).stdout?.trim() !== ZIG) {
    console.log(`installing zig ${ZIG} into ${directory}`);
    rmSync(directory, { recursive: true, force: true });
    const options = ['--quiet', '--disable-pip-version-check', '--no-deps', '--target', directory];
    ask(python, ['-m', 'pip', 'install', ...options, `ziglang==${ZIG}`]);
  }
  return join(directory, 'ziglang');
}

/** The targets of binding.gyp for a platform, by name. */
function gypTargets({ os, arch }, scratch) {
  // What node-gyp's addon.gypi would say.
  const defaults = join(scratch, 'defaults.gypi');
  const target_defaults = {
    type: 'loadable_module',
    default_configuration: 'Release',
    configurations: { Release: {} },
  };
  writeFileSync(defaults, JSON.stringify({ target_defaults }));
  const gyp = join(dirname(require.resolve('node-gyp/package.json')), 'gyp', 'gyp_main.py');
  const options = ['--depth=.', '--no-parallel', '-I', defaults, `-DOS=${os}`, `-Dtarget_arch=${arch}`];
  return JSON.parse(
    ask(python, [gyp, 'binding.gyp', '--format', 'scripts/prebuilds/targets.py', ...options]),
  );
}

/** The addon's target and those that it depends on, directly or not. */
function linked(targets) {
  const names = new Set(['peerlane']);
  for (const name of names) {
    for (const dependency of targets[name].dependencies ?? []) {
      names.add(dependency.replace(/^.*:/, '').replace(/#.*$/, ''));
    }
  }
  return [...names].map((name) => targets[name]);
}

/** `-march=armv8.2-a+sha3` as zig has it, which names CPUs, not architectures. */
function zigFlag(flag) {
  const [, minor, features] = /^-march=armv8(?:\.(\d))?-a(\+.*)?$/.exec(flag) ?? [flag];
  if (features === undefined && minor === undefined) return flag;
  return `-mcpu=generic${minor === undefined ? '' : `+v8_${minor}a`}${features ?? ''}`;
}

/** A target's compiler flags. Of Xcode's settings, those that gyp would turn into these. */
function flagsOf({ os }, target) {
  const {
    cflags = [],
    cflags_c = [],
    cflags_cc = [],
    xcode_settings = {},
    ...rest
  } = target.configurations.Release;
  const { include_dirs = [], defines = [] } = rest;
  const common = [...include_dirs.map((path) => `-I${path}`), ...defines.map((define) => `-D${define}`)];
  const cc = ['-std=gnu++17', '-fno-exceptions', '-fno-rtti'];
  if (os !== 'mac') {
    common.push('-O3', ...cflags.map(zigFlag));
    return { c: [...common, ...cflags_c], cc: [...common, ...cc, ...cflags_cc] };
  }
  const { GCC_OPTIMIZATION_LEVEL: level = '3', GCC_C_LANGUAGE_STANDARD: standard = 'c11' } = xcode_settings;
  const { OTHER_CFLAGS = [], OTHER_CPLUSPLUSFLAGS = OTHER_CFLAGS } = xcode_settings;
  common.push(`-O${level}`, ...(xcode_settings.WARNING_CFLAGS ?? []));
  if (xcode_settings.GCC_SYMBOLS_PRIVATE_EXTERN === 'YES') common.push('-fvisibility=hidden');
  return {
    c: [...common, `-std=${standard}`, ...OTHER_CFLAGS],
    cc: [...common, ...cc, ...OTHER_CPLUSPLUSFLAGS],
  };
}

/** Runs zig; rejects with what it said. */
function zig(context, args) {
  return new Promise((resolve, reject) => {
    const child = spawn(join(context.directory, 'zig'), args, {
      cwd: root,
      env: { ...process.env, ZIG_GLOBAL_CACHE_DIR: join(tools, 'zig-cache') },
    });
    let [output, said] = ['', ''];
    child.stdout.on('data', (data) => {
      output += data;
    });
    child.stderr.on('data', (data) => {
      said += data;
    });
    child.on('error', reject);
    child.on('close', (status) => {
      if (status !== 0) return reject(new Error(`zig ${args.join(' ')}\n${said}`));
      if (said !== '') console.log(said.trimEnd());
      resolve(output);
    });
  });
}

/** For Windows: what makes an import library of node.exe unnecessary. */
async function windowsImports(context, platform, target, scratch) {
  const { defines = [] } = target.configurations.Release;
  const options = [
    ...defines.map((define) => `-D${define}`),
    '-DNAPI_EXTERN=FUNCTION',
    `-I${context.headers}`,
  ];
  const header = join(context.headers, 'node_api.h');
  const text = await zig(context, ['cc', '-target', platform.zig, '-E', '-P', ...options, '-x', 'c', header]);
  const names = [...text.matchAll(/\bFUNCTION\b[^;]*?\b((?:napi|node_api)_\w+)\s*\(/g)].map(
    ([, name]) => name,
  );
  if (!names.includes('napi_create_function')) throw new Error(`no functions were found in ${header}`);
  writeFileSync(
    join(scratch, 'napi-functions.h'),
    [...new Set(names)].map((name) => `FUNCTION(${name})\n`).join(''),
  );
  const object = join(scratch, 'windows-imports.o');
  const source = join(here, 'windows-imports.c');
  await zig(context, ['cc', '-target', platform.zig, '-O2', `-I${scratch}`, '-c', source, '-o', object]);
  return object;
}

const LINK = {
  // Without nodelete a thread that ends after the last user of the addon would run destructors that are gone.
  linux: ['-fPIC', '-Wl,-z,nodelete', `-Wl,--version-script=${join(here, 'exports.map')}`],
  // The name would be the path where it was linked.
  mac: ['-Wl,-undefined,dynamic_lookup', '-Wl,-install_name,@rpath/peerlane.node'],
  win: [],
};

/** Compiles and links the addon for one platform; its size and digest. */
async function build(context, platform) {
  const scratch = mkdtempSync(join(tmpdir(), 'peerlane-prebuild-'));
  try {
    const targets = linked(gypTargets(platform, scratch));
    const shared = ['-target', platform.zig, '-fno-sanitize=all', '-ffunction-sections', '-fdata-sections'];
    if (platform.os !== 'win') shared.push('-fPIC');
    const objects = [];
    for (const target of targets) {
      const flags = flagsOf(platform, target);
      for (const source of target.sources) {
        const object = join(scratch, `${target.target_name}-${basename(source)}.o`);
        const [command, own] = /\.c$/.test(source) ? ['cc', flags.c] : ['c++', flags.cc];
        const include = ['-DBUILDING_NODE_EXTENSION', `-I${context.headers}`];
        await zig(context, [command, ...shared, ...include, ...own, '-c', source, '-o', object]);
        objects.push(object);
      }
    }
    if (platform.os === 'win') objects.push(await windowsImports(context, platform, targets[0], scratch));
    const made = join(scratch, 'peerlane.node');
    await zig(context, [
      'c++',
      '-target',
      platform.zig,
      '-shared',
      '-s',
      ...LINK[platform.os],
      ...objects,
      '-o',
      made,
    ]);
    const bytes = readFileSync(made);
    mkdirSync(dirname(join(prebuilds, platform.file)), { recursive: true });
    writeFileSync(join(prebuilds, platform.file), bytes);
    return { target: platform.zig, sha256: createHash('sha256').update(bytes).digest('hex') };
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** The licences of all that is in the files besides this project's own code. */
function licences(zigFiles) {
  const parts = [
    ['libsecp256k1', join(secp256k1Directory(), 'COPYING')],
    ['node-addon-api', join(dirname(require.resolve('node-addon-api')), 'LICENSE.md')],
    ['libc++, libc++abi, libunwind (LLVM)', join(zigFiles, 'lib', 'libcxx', 'LICENSE.TXT')],
    ['compiler runtime (zig)', join(zigFiles, 'LICENSE')],
    ['mingw-w64 runtime (in the files for Windows)', join(zigFiles, 'lib', 'libc', 'mingw', 'COPYING')],
  ];
  const line = '='.repeat(80);
  return parts
    .filter(([, file]) => existsSync(file))
    .map(([name, file]) => `${line}\n${name}\n${line}\n\n${readFileSync(file, 'utf8').trim()}\n`)
    .join('\n');
}

async function main(prefixes) {
  const wanted = PLATFORMS.filter(
    ({ file }) => prefixes.length === 0 || prefixes.some((prefix) => file.startsWith(prefix)),
  );
  if (wanted.length === 0) throw new Error(`no platform begins with ${prefixes.join(' or ')}`);
  if (python === undefined) throw new Error('Python was not found');
  const node = nodeDirectory();
  if (node === undefined) throw new Error(`there is no include/node beside ${process.execPath}`);
  if (!existsSync(join(root, 'vendor', 'secp256k1')) && process.env.PEERLANE_SECP256K1 !== 'npm') {
    process.stdout.write(ask(process.execPath, [join(root, 'scripts', 'vendor-secp256k1.js'), '--no-build']));
  }
  const context = { directory: zigDirectory(), headers: join(node, 'include', 'node') };
  rmSync(prebuilds, { recursive: true, force: true });
  mkdirSync(prebuilds);
  const made = {};
  const queue = [...wanted];
  const worker = async () => {
    for (let platform = queue.shift(); platform !== undefined; platform = queue.shift()) {
      const start = Date.now();
      made[platform.file] = await build(context, platform).catch((error) => {
        queue.length = 0;
        throw error;
      });
      const seconds = ((Date.now() - start) / 1000).toFixed(1);
      console.log(`${platform.file}: ${statSync(join(prebuilds, platform.file)).size} bytes, ${seconds} s`);
    }
  };
  // Most of a first build is zig's own libraries, which it compiles one after the other.
  await Promise.all(Array.from({ length: availableParallelism() }, worker));
  writeFileSync(join(prebuilds, 'LICENSES.txt'), licences(context.directory));
  const files = Object.fromEntries(wanted.map(({ file }) => [file, made[file]]));
  // Written last: what has no manifest is not complete.
  writeFileSync(
    join(prebuilds, 'manifest.json'),
    `${JSON.stringify({ compiler: `zig ${ZIG}`, sources: sourceDigest(), files }, undefined, 2)}\n`,
  );
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  console.error(`error: ${error.message}`);
  process.exitCode = 1;
}
