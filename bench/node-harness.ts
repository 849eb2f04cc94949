/** What the comparisons of whole nodes share: subjects in processes of their own, the load, rounds in turn. */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { TOOLS_DIRECTORY } from '../test/interop/tools.ts';
import { quick, summary } from './measure.ts';
import type { BenchRow, BenchSubject } from './row.ts';
import { Worker } from './worker.ts';

export type NodeSubject = Extract<BenchSubject, 'native' | 'js' | 'go-ethereum'>;

const PROGRAM = join(TOOLS_DIRECTORY, 'bench-go');
/** A folder for CPU profiles of our subjects; profiling costs time itself. */
const { PEERLANE_BENCH_CPU_PROF: profiles } = process.env;
const PROFILING = profiles === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profiles}`];
export const HANDSHAKES_AT_A_TIME = 8;

/** A node under test. */
export interface Node {
  readonly worker: Worker;
  readonly port: number;
  /** The public key, hexadecimal. */
  readonly id: string;
}

/** Starts processes for one subject, and ends them. */
export class Bench implements AsyncDisposable {
  readonly subject: NodeSubject;
  readonly #workers: Worker[] = [];

  constructor(subject: NodeSubject) {
    this.subject = subject;
  }

  /** `bare`: only a listener up to Hello. `metrics`: they are served, by a node of ours. */
  async node({ bare = false, maxPeers = 50, metrics = false } = {}): Promise<Node> {
    const args = [
      ...(bare ? ['--bare'] : ['--max-peers', String(maxPeers)]),
      ...(metrics ? ['--metrics'] : []),
    ];
    const { worker, ready } =
      this.subject === 'go-ethereum'
        ? await this.#start('the node of go-ethereum', PROGRAM, ['node', ...args])
        : await this.#start(
            `the node (${this.subject})`,
            process.execPath,
            [...PROFILING, fileURLToPath(new URL('./node-subject.js', import.meta.url)), ...args],
            { PEERLANE_BACKEND: this.subject },
          );
    return { worker, port: Number(ready.port), id: String(ready.id) };
  }

  /** The same program for all subjects. In the background it leaves the CPU to other processes that want it. */
  async load({ isInBackground = false } = {}): Promise<Worker> {
    const [program, args] = isInBackground ? ['nice', ['-n', '19', PROGRAM, 'load']] : [PROGRAM, ['load']];
    return (await this.#start('the load', program, args)).worker;
  }

  /** A discovery v4 node under test. */
  async discovery(): Promise<Node> {
    return await this.#discoveryNode('discover', 'discovery-subject.js');
  }

  /** A discovery v5 node under test. `isOpen`: strangers are as welcome as at go-ethereum's. */
  async discovery5({ isOpen = false } = {}): Promise<Node> {
    return await this.#discoveryNode('discover5', 'discovery5-subject.js', isOpen ? ['--open'] : []);
  }

  async #discoveryNode(
    goCommand: string,
    ownProgram: string,
    ownArgs: readonly string[] = [],
  ): Promise<Node> {
    const { worker, ready } =
      this.subject === 'go-ethereum'
        ? await this.#start('the discovery node of go-ethereum', PROGRAM, [goCommand])
        : await this.#start(
            `the discovery node (${this.subject})`,
            process.execPath,
            [...PROFILING, fileURLToPath(new URL(`./${ownProgram}`, import.meta.url)), ...ownArgs],
            { PEERLANE_BACKEND: this.subject },
          );
    return { worker, port: Number(ready.port), id: String(ready.id) };
  }

  /** Discovery v5 nodes, which are yet to meet the one under test. */
  async discovery5Load(): Promise<Worker> {
    return (await this.#start('the discovery load', PROGRAM, ['discover5-load'])).worker;
  }

  /** Nodes that the one under test knows; `subnets` networks of /24 hold their addresses, or none but 127.0.0.1. */
  async discoveryLoad({ port, id }: Node, count: number, subnets = 0): Promise<Worker> {
    const { worker } = await this.#start('the discovery load', PROGRAM, ['discover-load']);
    await worker.ask({ cmd: 'bond', port, id, count, subnets });
    return worker;
  }

  /** A load with `count` peers connected to the node, and the payloads set at both. */
  async connectedLoad(
    node: Node,
    count: number,
    payloads: readonly Uint8Array[],
    options?: { readonly isInBackground?: boolean },
  ): Promise<Worker> {
    const load = await this.load(options);
    const data = base64(payloads);
    for (const worker of [load, node.worker]) await worker.ask({ cmd: 'payloads', data });
    await this.connect(load, node, count);
    await node.worker.ask({ cmd: 'peers', count });
    return load;
  }

  async connect(load: Worker, { port, id }: Node, count: number): Promise<void> {
    await load.ask({ cmd: 'connect', port, id, count, parallel: HANDSHAKES_AT_A_TIME });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // The last one first: a load takes it for a failure when its node leaves.
    for (const worker of this.#workers.reverse()) await worker[Symbol.asyncDispose]();
  }

  async #start(...parameters: Parameters<typeof Worker.start>) {
    const started = await Worker.start(...parameters);
    this.#workers.push(started.worker);
    return started;
  }
}

/** Figures by id, of one round. */
export type Figures = Readonly<Record<string, number>>;

export interface Comparison {
  /** Of all figures, or of each by its id. */
  readonly unit: string | Readonly<Record<string, string>>;
  /** Default all. */
  readonly subjects?: readonly NodeSubject[];
  readonly rounds: number;
  /** Whether a round comes first that does not count; default true. */
  readonly warmUp?: boolean;
  /** Starts what a subject needs, and gives a round of it. */
  prepare(bench: Bench): Promise<() => Promise<Figures>>;
}

/**
 * Runs the rounds of the subjects in turn, so that a slow moment of the machine falls on all of them. A subject
 * that fails is left out, and the process will exit with 1.
 */
export async function compare({
  unit,
  subjects = ['native', 'js', 'go-ethereum'],
  rounds,
  warmUp = true,
  prepare,
}: Comparison): Promise<BenchRow[]> {
  if (!existsSync(PROGRAM)) {
    process.stderr.write('nodes are not compared: run scripts/setup-interop.sh to build their peers\n');
    return [];
  }
  const benches = subjects.map((subject) => new Bench(subject));
  const figures = new Map<NodeSubject, Map<string, number[]>>();
  const running = new Map<NodeSubject, () => Promise<Figures>>();
  const attempt = async (subject: NodeSubject, run: () => Promise<void>) => {
    try {
      await run();
    } catch (error) {
      process.stderr.write(`${subject} failed: ${error instanceof Error ? error.message : String(error)}\n`);
      process.exitCode = 1;
      running.delete(subject);
      figures.delete(subject);
    }
  };
  try {
    for (const bench of benches) {
      await attempt(bench.subject, async () => {
        running.set(bench.subject, await prepare(bench));
        figures.set(bench.subject, new Map());
      });
    }
    for (let round = warmUp ? 0 : 1; round <= (quick ? 1 : rounds); round++) {
      for (const [subject, run] of running) {
        await attempt(subject, async () => {
          const found = await run();
          if (round === 0) return;
          const values = figures.get(subject);
          for (const [id, value] of Object.entries(found))
            values?.set(id, [...(values.get(id) ?? []), value]);
        });
      }
    }
  } finally {
    await Promise.all(benches.map((bench) => bench[Symbol.asyncDispose]()));
  }
  return [...figures].flatMap(([subject, ids]) =>
    [...ids].map(([id, values]) => ({
      id,
      subject,
      unit: typeof unit === 'string' ? unit : (unit[id] ?? ''),
      ...summary(values),
    })),
  );
}

/**
 * Gives the node a core of its own, and all others the rest, where the system can do that. Else a figure of times says
 * more of how the system shares its cores than of the node.
 */
export function apart({ worker }: Node, others: readonly Worker[]): void {
  const cores = allowedCores();
  const [first, ...rest] = cores;
  if (first === undefined || rest.length === 0) return;
  pin(worker, [first]);
  for (const other of others) pin(other, rest);
}

function allowedCores(): number[] {
  const path = '/proc/self/status';
  if (!existsSync(path)) return [];
  const list = /^Cpus_allowed_list:\s+(\S+)$/m.exec(readFileSync(path, 'utf8'))?.[1] ?? '';
  return list.split(',').flatMap((range) => {
    const [from = Number.NaN, to = from] = range.split('-').map(Number);
    return Array.from({ length: to - from + 1 }, (_, i) => from + i);
  });
}

function pin({ pid }: Worker, cores: readonly number[]): void {
  const { error, status } = spawnSync('taskset', ['-a', '-c', '-p', cores.join(','), String(pid)]);
  if (error !== undefined || status !== 0)
    process.stderr.write('taskset is missing: processes share all cores\n');
}

export const base64 = (payloads: readonly Uint8Array[]) =>
  payloads.map((payload) => Buffer.from(payload).toString('base64'));

/** KiB of memory that a process has in RAM. @throws Error on a system that does not tell */
export function residentKib({ pid }: { readonly pid: number }): number {
  const path = `/proc/${pid}/status`;
  if (!existsSync(path))
    throw new Error('resident memory is read from /proc, which this system does not have');
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(path, 'utf8'))?.[1]);
}
