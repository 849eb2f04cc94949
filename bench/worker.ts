/** Processes that a benchmark gives orders to: JSON lines to their stdin, one answer to each on their stdout. */
import type { ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { start, stop } from '../test/interop/child.ts';

/** See bench/peers/orders.go and bench/node-subject.ts. */
export interface Order {
  readonly cmd: string;
  readonly [field: string]: unknown;
}

export type Answer = Readonly<Record<string, unknown>>;

/** No order takes longer than this, or its benchmark has failed. */
const ANSWER_TIMEOUT_MS = 40_000;
const EXIT_TIMEOUT_MS = 2000;

export class Worker implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #name: string;
  readonly #waiting = new Map<number, { resolve(answer: Answer): void; reject(error: Error): void }>();
  #refs = 0;
  #gone: Error | undefined;

  private constructor(name: string, child: ChildProcess) {
    this.#name = name;
    this.#child = child;
    const lost = (why: string) => {
      this.#gone = new Error(`${name} ${why}`);
      for (const { reject } of this.#waiting.values()) reject(this.#gone);
      this.#waiting.clear();
    };
    child.once('error', (error) => lost(`did not start: ${error.message}`));
    child.once('exit', (code, signal) => lost(`ended (${code ?? signal})`));
    // What cannot be written any more is reported by the exit.
    child.stdin?.on('error', () => undefined);
    if (child.stdout === null) throw new Error('a worker has no output');
    createInterface(child.stdout).on('line', (line) => this.#answered(JSON.parse(line) as Answer));
  }

  /** Starts a program, and gives what it says of itself when it is ready. It ends when its stdin does. */
  static async start(
    name: string,
    program: string,
    args: readonly string[],
    env: Readonly<Record<string, string>> = {},
  ): Promise<{ worker: Worker; ready: Answer }> {
    const child = start(program, args, {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { ...process.env, ...env },
    });
    const worker = new Worker(name, child);
    const ready = await worker.#answer(0, 'start');
    if (ready.ready !== true) throw new Error(`${name} is an old one: run scripts/setup-interop.sh`);
    return { worker, ready };
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** @throws Error when the process fails, refuses the order, or takes too long */
  ask(order: Order): Promise<Answer> {
    this.#refs++;
    const answer = this.#answer(this.#refs, order.cmd);
    this.#child.stdin?.write(`${JSON.stringify({ ref: this.#refs, ...order })}\n`);
    return answer;
  }

  /** Seconds of CPU time that the process has used so far. */
  async cpu(): Promise<number> {
    return Number((await this.ask({ cmd: 'cpu' })).seconds);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.stdin?.end();
    await stop(this.#child, undefined, EXIT_TIMEOUT_MS);
  }

  async #answer(ref: number, cmd: string): Promise<Answer> {
    if (this.#gone !== undefined) throw this.#gone;
    let timer: NodeJS.Timeout | undefined;
    try {
      return await new Promise<Answer>((resolve, reject) => {
        this.#waiting.set(ref, { resolve, reject });
        const late = new Error(`${this.#name}: no answer to ${cmd} within ${ANSWER_TIMEOUT_MS} ms`);
        timer = setTimeout(() => reject(late), ANSWER_TIMEOUT_MS);
      });
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(ref);
    }
  }

  #answered(answer: Answer): void {
    const { ref = 0, error } = answer;
    const waiting = this.#waiting.get(Number(ref));
    if (error === undefined) waiting?.resolve(answer);
    else waiting?.reject(new Error(`${this.#name}: ${String(error)}`));
  }
}
