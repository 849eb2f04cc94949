// The main job: builds, serves the bundled chain in one process, and downloads and verifies it in another, over
// TCP. The two find each other by discovery, from a bootnode, which is a third process. `--json` prints one JSON
// object a line, a summary last; `--chain DIR` takes another chain, and `--no-build` dist/ as it is. The exit status
// is that of the download.
import { spawn, spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const options = {
  json: { type: 'boolean', default: false },
  chain: { type: 'string', default: join(root, 'data', 'small') },
  'no-build': { type: 'boolean', default: false },
};
const { json, chain, 'no-build': isBuilt } = readOptions();

function readOptions() {
  try {
    return parseArgs({ options }).values;
  } catch (error) {
    console.error(`error: ${error.message}`);
    process.exit(2);
  }
}

if (!isBuilt) {
  const { status } = spawnSync(process.execPath, [join(root, 'scripts', 'build.js')], {
    stdio: ['ignore', json ? 2 : 'inherit', 'inherit'],
  });
  if (status !== 0) process.exit(status ?? 1);
}

const { systemEnv } = await import('../dist/base/env.js');
const { fileProblem } = await import('../dist/base/file-problem.js');
const { Output } = await import('../dist/cli/output.js');
const { formatBytes, formatDuration, formatNumber } = await import('../dist/cli/format.js');

const output = new Output(json, systemEnv);
const children = new Set();
let interrupted = false;
const stopAll = () => {
  for (const child of children) child.kill('SIGINT');
};
const interrupt = () => {
  interrupted = true;
  stopAll();
};
process.on('SIGINT', interrupt);
process.on('SIGTERM', interrupt);
process.stdout.on('error', (error) => {
  // A reader that goes away is a wish to stop.
  if (error.code === 'EPIPE') interrupt();
  else failWriting(error);
});

/** Every write fails after the first; one is reported. */
function failWriting(error) {
  if (output.isLost) return;
  output.isLost = true;
  process.exitCode = 1;
  const message = `the output cannot be written: ${fileProblem(error)}`;
  output.error({ code: 'file-unreadable', message });
  stopAll();
}

/** Runs a command of peerlane; `onEvent` gets each object that it prints. Resolves with its exit status. */
function peerlane(parameters, onEvent) {
  const main = join(root, 'dist', 'cli', 'main.js');
  const child = spawn(process.execPath, [main, ...parameters, '--json'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.add(child);
  const closed = new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (status) => {
      children.delete(child);
      resolve(status ?? 1);
    });
  });
  const read = new Promise((resolve) => {
    const lines = createInterface({ input: child.stdout });
    lines.on('line', (line) => onEvent(JSON.parse(line)));
    lines.on('close', resolve);
  });
  if (interrupted || output.isLost) child.kill('SIGINT');
  return { stop: () => child.kill('SIGINT'), status: Promise.all([closed, read]).then(([status]) => status) };
}

/** Starts a command that listens; `listening` resolves to what it says of that, or to nothing if it ended. */
function listener(parameters, onError) {
  let command;
  const listening = new Promise((resolve) => {
    command = peerlane([...parameters, '--listen', '127.0.0.1:0'], (event) => {
      if (event.event === 'listening') resolve(event);
      // What it says at the end, as of the peer that leaves, is no news.
      if (event.event === 'error' && !interrupted && !output.isLost) onError(event);
    });
    command.status.finally(resolve);
  });
  return { ...command, listening };
}

async function download(bootnode, store) {
  const found = { bytes: 0, peer: undefined, done: undefined };
  const genesis = join(chain, 'genesis.json');
  const parameters = ['sync', '--genesis', genesis, '--bootnode', bootnode, '--store', store];
  const { status } = peerlane(parameters, (event) => {
    if (event.event === 'stored') found.bytes = event.bytes;
    if (event.event === 'peer-connected') found.peer = event.client;
    if (event.event === 'done') found.done = event;
    if (json) process.stdout.write(`${JSON.stringify(event)}\n`);
    else if (event.event === 'progress') output.progress(event.stage, event.done, event.total);
    else if (event.event === 'error') output.error(event);
  });
  return Object.assign(found, { status: await status });
}

function summarize({ bytes, peer, done }, { backend, detail, reason }) {
  const { head, headers, bodies, seconds } = done;
  const rate = Math.round(bodies / Math.max(seconds, 0.001));
  output.endProgress();
  const lines = [
    '',
    `blocks   ${formatNumber(bodies)} downloaded and verified, head ${head}`,
    `bytes    ${formatBytes(bytes)}`,
    `seconds  ${formatDuration(seconds)}, ${formatNumber(rate)} blocks/s`,
    `backend  ${backend} (${detail})`,
    `why      ${reason}`,
    `peer     ${peer}`,
  ];
  const fields = { blocks: bodies, headers, head, bytes, seconds, backend, detail, reason, peer };
  output.event('summary', fields, lines.join('\n'));
}

/** What `peerlane info` says, or nothing where it fails, as it does when the wanted backend is not there. */
async function information() {
  let info;
  const { status } = peerlane(['info'], (event) => {
    if (event.event === 'info') info = event;
    else output.error(event);
  });
  await status;
  return info;
}

/** The exit status of the download. */
async function run(store) {
  const errors = [];
  // Beside `info`, to save the time, which says it first when there is no backend for either.
  const bootnode = listener(['listen'], (error) => errors.push(error));
  try {
    const info = await information();
    if (info === undefined) return 1;
    const first = await bootnode.listening;
    for (const error of errors) output.error(error);
    if (first === undefined) return await bootnode.status;
    // Without it the others would look for each other for ever.
    bootnode.status.finally(stopAll);
    return await serveAndDownload(first.enr, store, info);
  } finally {
    bootnode.stop();
    await bootnode.status;
  }
}

async function serveAndDownload(bootnode, store, info) {
  const server = listener(['serve', '--chain', chain, '--bootnode', bootnode], output.error.bind(output));
  const listening = await server.listening;
  if (listening === undefined) return await server.status;
  if (!json) output.event('serving', {}, `serving ${chain} at ${listening.enode}`);
  // Without its server the download would wait for another one.
  server.status.finally(stopAll);
  const result = await download(bootnode, store);
  if (result.status === 0) summarize(result, info);
  server.stop();
  await server.status;
  return result.status;
}

const store = await mkdtemp(join(tmpdir(), 'peerlane-start-'));
try {
  const status = await run(store);
  process.exitCode = output.isLost ? 1 : interrupted ? 130 : status;
} finally {
  await rm(store, { recursive: true, force: true });
}
