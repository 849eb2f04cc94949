/**
 * `npm run bench [-- --quick] [--only TEXT] [--json FILE]`: every question, for every subject, in one run. Each
 * subject runs in a process of its own, so that one's garbage and optimised code are not another's. Handshakes of ours
 * and of go-ethereum are asked for in turn, as a machine has slow moments: the figure is the median of the turns.
 */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { comparison, tableText } from '../src/cli/bench/table.ts';
import { summary } from './measure.ts';
import type { BenchRow, BenchSubject } from './row.ts';

const QUESTION_TIMEOUT_MS = 10 * 60_000;
const TURNS = 5;
/** In the order of the table's columns. */
const SUBJECTS: readonly BenchSubject[] = ['native', 'js', 'ethereumjs', 'go-ethereum', 'npm'];

type Question = () => Promise<BenchRow[]>;

/** Questions by name; loaded where they run. */
const OURS: Readonly<Record<string, () => Promise<Question>>> = {
  ...Object.fromEntries(
    ['primitives', 'handshake', 'frames-x1', 'frames-x8', 'frames-x50', 'tcp'].map((group) => [
      group,
      async () => {
        const { ours } = await import('./ours.ts');
        return () => ours(group);
      },
    ]),
  ),
  'v5-packets': async () => (await import('./v5-packets.ts')).v5Packets,
  'v5-handshake': async () => (await import('./v5-handshake.ts')).v5Handshake,
  sync: async () => (await import('./sync.ts')).sync,
  'worker-pool': async () => (await import('./worker-pool.ts')).workerPool,
};
const OTHERS: Readonly<Record<string, () => Promise<Question>>> = {
  'handshake of go-ethereum': async () => (await import('./go-ethereum.ts')).goEthereumHandshake,
  'v5-handshake of go-ethereum': async () => (await import('./go-ethereum.ts')).goEthereumV5Handshake,
  'v5-packets of others': async () => (await import('./v5-packets.ts')).v5PacketsOfOthers,
  'tcp of go-ethereum': async () => (await import('./go-ethereum.ts')).goEthereumTcp,
  'frame-limit': async () => (await import('./limit.ts')).frameLimit,
  npm: async () => (await import('./primitives.ts')).npmPrimitives,
  'rlp-decode': async () => (await import('./rlp-decode.ts')).rlpDecode,
  ethereumjs: async () => (await import('./ethereumjs.ts')).ethereumjs,
  'go-ethereum': async () => (await import('./go-ethereum.ts')).goEthereum,
  // Whole nodes, native, js and go-ethereum, in turn.
  'tcp-100k-apart': async () => (await import('./nodes.ts')).tcpApart,
  'broadcast-100k-x50': async () => (await import('./nodes.ts')).broadcastLarge,
  'broadcast-300-x50': async () => (await import('./nodes.ts')).broadcastSmall,
  'receive-300-x50': async () => (await import('./nodes.ts')).receiveSmall,
  'tail-ping': async () => (await import('./nodes.ts')).tailPing,
  accept: async () => (await import('./nodes.ts')).accept,
  metrics: async () => (await import('./metrics.ts')).metricsCost,
  'discovery-pings': async () => (await import('./discovery.ts')).discoveryPings,
  'discovery-flood': async () => (await import('./discovery.ts')).discoveryFlood,
  'discovery-network': async () => (await import('./discovery-network.ts')).discoveryNetwork,
  'v5-sessions': async () => (await import('./discovery5.ts')).v5Sessions,
  'v5-network': async () => (await import('./discovery-network.ts')).v5Network,
  'v5-flood': async () => (await import('./discovery5-flood.ts')).v5Flood,
  'memory-1000': async () => (await import('./nodes.ts')).memory,
};

/** What is asked of go-ethereum in turn with our native backend. */
const RIVALS: Readonly<Record<string, string>> = {
  handshake: 'handshake of go-ethereum',
  'v5-handshake': 'v5-handshake of go-ethereum',
};

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    only: { type: 'string' },
    json: { type: 'string' },
    question: { type: 'string' },
  },
});

if (values.question === undefined) await runAll();
else await runOne(values.question);

/** In a child: answers one question and prints its rows as the last line. */
async function runOne(name: string): Promise<void> {
  const load = OURS[name] ?? OTHERS[name];
  if (load === undefined) throw new Error(`there is no question ${name}`);
  const rows = await (await load())();
  process.stdout.write(`\n${JSON.stringify(rows)}\n`);
  // A library that leaves a handle open must not hold up the run.
  process.exit();
}

async function runAll(): Promise<void> {
  const rows: BenchRow[] = [];
  const failures: string[] = [];
  const plan = planned().filter(({ name }) => values.only === undefined || name.includes(values.only));
  if (plan.length === 0) {
    const names = [...Object.keys(OURS), ...Object.keys(OTHERS)].join(', ');
    process.stderr.write(`no question has ${values.only} in its name; there are ${names}\n`);
    process.exitCode = 2;
    return;
  }
  for (const { name, backend } of plan) {
    process.stderr.write(`${name}${backend === 'auto' ? '' : ` (${backend})`} ...\n`);
    const { answers, failure } = ask(name, backend);
    rows.push(...answers);
    if (failure !== undefined) failures.push(`${name} (${backend}): ${failure}`);
  }
  const figures = merged(rows);
  console.log(tableText(comparison(figures, SUBJECTS)));
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(figures, null, 2)}\n`);
  for (const failure of failures) process.stderr.write(`failed: ${failure}\n`);
  if (failures.length > 0) process.exitCode = 1;
}

interface Asking {
  readonly name: string;
  readonly backend: 'native' | 'js' | 'auto';
}

function planned(): Asking[] {
  const others = (name: string): Asking => ({ name, backend: 'auto' });
  const rivals = Object.values(RIVALS);
  return [
    ...Object.keys(OURS).flatMap((name): Asking[] => {
      const native: Asking = { name, backend: 'native' };
      const js: Asking = { name, backend: 'js' };
      const rival = RIVALS[name];
      if (rival === undefined) return [native, js];
      return [js, ...Array.from({ length: values.quick ? 1 : TURNS }, () => [native, others(rival)]).flat()];
    }),
    ...Object.keys(OTHERS)
      .filter((name) => !rivals.includes(name))
      .map(others),
  ];
}

/** One row of those that several turns gave for the same. */
function merged(rows: readonly BenchRow[]): BenchRow[] {
  const turns = new Map<string, BenchRow[]>();
  for (const row of rows) {
    const key = `${row.id} ${row.subject}`;
    turns.set(key, [...(turns.get(key) ?? []), row]);
  }
  return [...turns.values()].flatMap(([first, ...more]) => {
    if (first === undefined) return [];
    return more.length === 0
      ? [first]
      : [{ ...first, ...summary([first, ...more].map(({ value }) => value)) }];
  });
}

/** The rows of a question; where some subject failed, those of the others. */
function ask(name: string, backend: string): { answers: BenchRow[]; failure?: string } {
  const child = spawnSync(
    process.execPath,
    ['--expose-gc', fileURLToPath(import.meta.url), '--question', name],
    {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
      maxBuffer: 1 << 26,
      // A question that hangs must not hold up the others.
      timeout: QUESTION_TIMEOUT_MS,
      env: {
        ...process.env,
        PEERLANE_BACKEND: backend,
        ...(values.quick ? { PEERLANE_BENCH_QUICK: '1' } : {}),
      },
    },
  );
  const line = child.stdout.trimEnd().split('\n').at(-1) ?? '';
  const answers = line.startsWith('[') ? (JSON.parse(line) as BenchRow[]) : [];
  if (child.status === 0) {
    process.stderr.write(child.stderr);
    return { answers };
  }
  const why = child.stderr.trim().split('\n').slice(-3).join(' / ');
  return { answers, failure: why || `exit ${child.status ?? child.signal}` };
}
