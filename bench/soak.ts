/**
 * `npm run bench:soak [-- --minutes N] [--peers N] [--rate N] [--churn N] [--smoke] [--json FILE] [--snapshots FOLDER]`: a
 * server while peers in other processes keep it busy, over loopback. It fails when an honest peer is dropped or not let in
 * again, when memory grows, or when the event loop is late; with `--smoke`, which is for runs of minutes, the last two have to be far worse.
 */
import { writeFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { tableText } from '../src/cli/bench/table.ts';
import {
  DROPPED,
  MEMORY_KINDS,
  REFUSED,
  type Sample,
  sampleText,
  trends,
  trendTable,
} from './soak/report.ts';
import { type Answer, Worker } from './worker.ts';

const SAMPLE_MS = 30_000;
/** A short run has as many samples all the same. */
const LEAST_SAMPLES = 12;
/** For the nodes that the server dials to be there. */
const CONNECT_MS = 60_000;
/** Peers in a process. */
const PEERS_OF_PROCESS = 250;
/** Goals: the 99th percentile of the event loop's delay, and by how much of itself `rss` may grow in an hour. */
const MAX_DELAY_MS = 20;
const MAX_GROWTH = 0.1;
/** What no busy machine makes of a sound server: bounds of a smoke run. Milliseconds, and KiB a minute. */
const MAX_SMOKE_DELAY_MS = 1_000;
const MAX_SMOKE_GROWTH = 100 * 1024;
/** At any moment some have left and are not back: so many are there at least. */
const LEAST_PRESENT = 0.9;
const POLL_MS = 200;

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '60' },
    peers: { type: 'string', default: '100' },
    rate: { type: 'string', default: '1' },
    churn: { type: 'string', default: '10' },
    smoke: { type: 'boolean', default: false },
    json: { type: 'string' },
    snapshots: { type: 'string' },
  },
});
const [minutes, rate, churn] = [positive(values.minutes), positive(values.rate), positive(values.churn)];
const peers = Math.ceil(positive(values.peers));
const PEERLANE_BACKEND = process.env.PEERLANE_BACKEND ?? 'native';

const stopping = new AbortController();
process.once('SIGINT', () => stopping.abort());

const samples: Sample[] = [];
const { sent, received, delay, backend } = await run();
const table = trendTable(trends(samples), samples.at(-1)?.minutes ?? 0);
const counts = { server: received, peers: sent };
const messages = carried(counts);
console.log(`\n${describe(samples)}\n\n${tableText(table)}\n`);
console.log(`${messages.toLocaleString('en-US')} messages carried\n`);
for (const [side, found] of Object.entries(counts)) {
  console.log(`counted by the ${side}:`);
  for (const name of Object.keys(found).sort())
    console.log(`  ${name.padEnd(44)} ${found[name]?.toLocaleString('en-US').padStart(12)}`);
}
const { goals, failures } = judged();
for (const { text, isMet } of goals) console.log(`${isMet ? 'met' : 'MISSED'}: ${text}`);
if (values.json !== undefined) {
  const { versions, platform, arch } = process;
  const subject = { backend, node: versions.node, platform, arch };
  const run = { minutes, peers, rate, churn, ...subject };
  const result = { ...run, messages, delay, goals, trends: trends(samples), counts, samples };
  writeFileSync(values.json, `${JSON.stringify(result, null, 2)}\n`);
}

for (const text of failures) process.stderr.write(`failed: ${text}\n`);
if (failures.length > 0) process.exitCode = 1;

interface Goal {
  readonly text: string;
  readonly isMet: boolean;
  /** Whether a smoke run fails by it. Default: when it is not met. */
  readonly isFault?: boolean;
}

/** What the run was to show. A smoke run is too short for memory, and shares its machine with others: of it faults alone are judged. */
function judged() {
  const rss = trends(samples).find(({ kind }) => kind === 'rss');
  const growth = rss === undefined ? 0 : rss.slope - 2 * rss.error;
  const hourly = rss === undefined ? 0 : (60 * growth) / rss.last;
  const counted = (start: string) => Object.entries(sent).filter(([name]) => name.startsWith(start));
  const [dropped, refused] = [counted(DROPPED), counted(REFUSED)];
  const present = samples.at(-1)?.peers ?? 0;
  const goals: readonly Goal[] = [
    { text: `${messages} messages were carried`, isMet: messages > 0 },
    {
      text: `honest peers that were dropped: ${listed(dropped)}; that were not let in: ${listed(refused)}`,
      isMet: dropped.length === 0 && refused.length === 0,
    },
    {
      text: `${present} of ${peers} peers are there at the end`,
      isMet: present >= LEAST_PRESENT * peers,
    },
    {
      text: `event-loop delay of the server: median ${delay.p50?.toFixed(1)}, p99 ${delay.p99?.toFixed(1)}, longest ${delay.max?.toFixed(1)} ms; the goal is a p99 under ${MAX_DELAY_MS} ms`,
      isMet: (delay.p99 ?? 0) < MAX_DELAY_MS,
      isFault: (delay.p99 ?? 0) >= MAX_SMOKE_DELAY_MS,
    },
    {
      text: `rss grows by at least ${(100 * hourly).toFixed(1)} % an hour (slope less two standard errors); the goal is under ${100 * MAX_GROWTH} %`,
      isMet: hourly < MAX_GROWTH,
      isFault: growth >= MAX_SMOKE_GROWTH,
    },
  ];
  const failures = goals
    .filter(({ isMet, isFault = !isMet }) => (values.smoke ? isFault : !isMet))
    .map(({ text }) => text);
  return { goals, failures };
}

function listed(counted: readonly (readonly [name: string, count: number])[]): string {
  return counted.map(([name, count]) => `${count} ${name}`).join(', ') || 'none';
}

function positive(text: string): number {
  const value = Number(text);
  if (value > 0) return value;
  process.stderr.write(`${text} is no positive number\n`);
  process.exit(2);
}

async function start(name: string, args: readonly string[]) {
  const program = fileURLToPath(new URL(`./soak/${name}.js`, import.meta.url));
  const flags =
    name === 'server' && values.snapshots !== undefined
      ? ['--heapsnapshot-signal=SIGUSR2', `--diagnostic-dir=${values.snapshots}`]
      : [];
  const common = ['--rate', String(rate)];
  const command = ['--expose-gc', ...flags, program, ...common, ...args];
  return await Worker.start(`the ${name}`, process.execPath, command, { PEERLANE_BACKEND });
}

async function run() {
  const { worker: server, ready } = await start('server', ['--peers', String(peers)]);
  await using _server = server;
  process.stderr.write(`the server has the process id ${server.pid}\n`);
  const crowds: Worker[] = [];
  try {
    for (let left = peers; left > 0; left -= PEERS_OF_PROCESS) {
      const count = ['--peers', String(Math.min(left, PEERS_OF_PROCESS)), '--churn', String(churn)];
      const { worker } = await start('peers', [...count, '--enode', String(ready.enode)]);
      crowds.push(worker);
      const { enodes } = await worker.ask({ cmd: 'connect' });
      await server.ask({ cmd: 'keep', enodes });
    }
    await allConnected(server);
    for (const worker of [server, ...crowds]) await worker.ask({ cmd: 'begin' });
    await takeSamples(server);
    const { counts: received, delay } = await server.ask({ cmd: 'sample' });
    const sent: Record<string, number> = {};
    for (const crowd of crowds) {
      const { counts } = await crowd.ask({ cmd: 'counts' });
      for (const [name, count] of Object.entries(numbers(counts))) sent[name] = (sent[name] ?? 0) + count;
    }
    return { sent, received: numbers(received), delay: numbers(delay), backend: String(ready.backend) };
  } finally {
    await Promise.all(crowds.map((crowd) => crowd[Symbol.asyncDispose]()));
  }
}

async function allConnected(server: Worker): Promise<void> {
  for (const until = performance.now() + CONNECT_MS; ; await pause(POLL_MS)) {
    const { peers: connected } = await server.ask({ cmd: 'sample' });
    if (connected === peers) return;
    if (performance.now() > until) throw new Error(`${connected} peers are connected, not ${peers}`);
  }
}

async function takeSamples(server: Worker): Promise<void> {
  const total = minutes * 60_000;
  const interval = Math.min(SAMPLE_MS, total / LEAST_SAMPLES);
  const begin = performance.now();
  for (let due = 0; due <= total + interval / 2 && !stopping.signal.aborted; due += interval) {
    const wait = Math.max(0, begin + due - performance.now());
    // Ctrl-C ends the wait; what has been sampled is told all the same.
    await pause(wait, undefined, { signal: stopping.signal }).catch(() => undefined);
    const sample = sampleOf(await server.ask({ cmd: 'sample' }), (performance.now() - begin) / 60_000);
    samples.push(sample);
    process.stderr.write(`${sampleText(sample)}\n`);
  }
}

function sampleOf(answer: Answer, at: number): Sample {
  const memory = numbers(answer.memory);
  return {
    minutes: at,
    memory: Object.fromEntries(MEMORY_KINDS.map((kind) => [kind, memory[kind]])) as Sample['memory'],
    peers: Number(answer.peers),
    handles: Number(answer.handles),
    cpuSeconds: Number(answer.cpuSeconds),
  };
}

function numbers(value: unknown): Record<string, number> {
  return Object.fromEntries(Object.entries(value ?? {}).map(([name, count]) => [name, Number(count)]));
}

/** Messages of eth that the server has sent or received; a request that was answered is two. */
function carried(counted: Readonly<Record<'server' | 'peers', Readonly<Record<string, number>>>>): number {
  const of = (side: 'server' | 'peers', name: string) => counted[side][name] ?? 0;
  const single = ['transactions', 'large packs', 'announcements', 'block ranges'];
  return (
    single.reduce((sum, name) => sum + of('server', `${name} sent`) + of('server', `${name} received`), 0) +
    2 * (of('server', 'requests made') + of('peers', 'requests made'))
  );
}

function describe(taken: readonly Sample[]): string {
  const [first, last] = [taken[0], taken.at(-1)];
  const passed = last?.minutes ?? 0;
  const cpu = (last?.cpuSeconds ?? 0) - (first?.cpuSeconds ?? 0);
  const share = ((100 * cpu) / (60 * passed)).toFixed(1);
  return `${passed.toFixed(1)} minutes, ${peers} peers, rate ${rate}, ${backend}; ${taken.length} samples, each after a forced collection; the server took ${share} % of a core`;
}
