/**
 * What it would bring to do the cryptography of busy connections beside the JavaScript thread: the recipient's part of a
 * handshake, and the frames of eight messages of 128 KiB, each in this thread and in a pool of two. `-main` is what this
 * thread is busy for, the other figure is CPU time of the whole process; both in us for a handshake or a batch.
 */
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { systemEnv } from '../src/base/env.ts';
import { backend, generateSecretKey } from '../src/crypto/index.ts';
import { freshRandomness, identityOf, initiate } from '../src/rlpx/index.ts';
import { quick, summary } from './measure.ts';
import type { BenchRow, BenchSubject } from './row.ts';
import { type Job, type JobKind, jobs } from './worker-pool-jobs.ts';

const ROUNDS = quick ? 2 : 5;
/** Jobs of a round; the js backend takes its time. */
const COUNT = (quick ? 50 : 2000) / (backend.name === 'js' ? 25 : 1);
const WORKERS = 2;
/** Connections that are busy at once. */
const AT_A_TIME = 8;

type Run = (job: Job) => Promise<void>;

class Pool implements AsyncDisposable {
  readonly #workers: readonly Worker[];
  readonly #waiting: (() => void)[][];
  #next = 0;

  constructor(secretKey: Uint8Array) {
    const file = fileURLToPath(new URL('./worker-pool-jobs.js', import.meta.url));
    this.#workers = Array.from({ length: WORKERS }, () => new Worker(file, { workerData: { secretKey } }));
    this.#waiting = this.#workers.map(() => []);
    for (const [i, worker] of this.#workers.entries()) {
      worker.on('message', () => this.#waiting[i]?.shift()?.());
    }
  }

  run(job: Job): Promise<void> {
    const i = this.#next++ % WORKERS;
    return new Promise((resolve) => {
      this.#waiting[i]?.push(resolve);
      this.#workers[i]?.postMessage(job);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.terminate()));
  }
}

/** CPU time of the process and time that this thread is busy, in us a job. */
async function costs(run: Run, given: readonly Job[]): Promise<{ cpu: number; main: number }> {
  const [cpu, loop] = [process.cpuUsage(), performance.eventLoopUtilization()];
  let at = 0;
  const lane = async () => {
    for (let job = given[at++]; job !== undefined; job = given[at++]) {
      await run(job);
      // As jobs do that sockets bring.
      await new Promise<void>((resolve) => void systemEnv.setImmediate(resolve));
    }
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, lane));
  const { user, system } = process.cpuUsage(cpu);
  const { active } = performance.eventLoopUtilization(loop);
  return { cpu: (user + system) / given.length, main: (active * 1000) / given.length };
}

export async function workerPool(): Promise<BenchRow[]> {
  const secretKey = generateSecretKey(systemEnv);
  const { publicKey: remoteId } = identityOf(secretKey);
  const other = identityOf(generateSecretKey(systemEnv));
  const auth = (): Job => ({
    kind: 'handshake',
    auth: initiate({ identity: other, remoteId, randomness: freshRandomness(systemEnv) }).opening,
  });
  const given: Readonly<Record<JobKind, readonly Job[]>> = {
    handshake: Array.from({ length: COUNT }, auth),
    frames: Array.from({ length: COUNT }, () => ({ kind: 'frames' })),
  };
  await using pool = new Pool(secretKey);
  const here = jobs(secretKey);
  const subject: BenchSubject = backend.name;
  const rows: BenchRow[] = [];
  for (const kind of ['handshake', 'frames'] as const) {
    const ways: Readonly<Record<string, Run>> = {
      [`pool-${kind}-inline`]: async (job) => void here(job),
      [`pool-${kind}`]: (job) => pool.run(job),
    };
    const figures = new Map<string, number[]>();
    for (let round = 0; round <= ROUNDS; round++) {
      for (const [id, run] of Object.entries(ways)) {
        const { cpu, main } = await costs(run, given[kind]);
        if (round === 0) continue;
        for (const [row, value] of [
          [id, cpu],
          [`${id}-main`, main],
        ] as const) {
          figures.set(row, [...(figures.get(row) ?? []), value]);
        }
      }
    }
    for (const [id, values] of figures) rows.push({ id, subject, unit: 'us', ...summary(values) });
  }
  return rows;
}
