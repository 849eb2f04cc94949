/** A child that reports JSON lines and takes orders as JSON lines: what the programs of `test/interop/go` do. */
import type { ChildProcess } from 'node:child_process';
import { basename } from 'node:path';
import { createInterface } from 'node:readline';
import { hasEnded, start, stop } from './child.ts';
import { EventQueue } from './event-queue.ts';

/** How long the program may take to end after its stdin has. */
const EXIT_TIMEOUT_MS = 2_000;

interface Done {
  readonly ref: number;
  readonly event: 'done' | 'failed';
  readonly error?: string;
}

/** `E`: what the program reports by itself; `A`: what its answers to orders carry. */
export class JsonProgram<E extends { readonly event: string }, A extends object> implements AsyncDisposable {
  readonly #name: string;
  readonly #child: ChildProcess;
  readonly #events = new EventQueue<E>();
  readonly #waiting = new Map<number, { resolve(answer: A): void; reject(error: Error): void }>();
  #lastRef = 0;
  #stderr = '';

  constructor(path: string, args: readonly string[], env: Readonly<Record<string, string>> = {}) {
    this.#name = basename(path);
    this.#child = start(path, args, {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...process.env, ...env },
    });
    const { stdin, stdout, stderr } = this.#child;
    if (stdin === null || stdout === null || stderr === null) throw new Error('the program has no pipes');
    // A write to a program that has ended fails; `close` below tells everyone who waits.
    stdin.on('error', () => undefined);
    stderr.on('data', (chunk: Buffer) => {
      this.#stderr += chunk.toString();
    });
    createInterface({ input: stdout }).on('line', (line) => this.#take(JSON.parse(line)));
    this.#child.once('error', (error) => this.#end(error));
    this.#child.once('close', (code, signal) =>
      this.#end(new Error(`${this.#name} ended (${code ?? signal}) ${this.#stderr}`)),
    );
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** The first report that `accepts` takes, of those not handed out yet and those to come; `what` names it in errors. */
  next(what: string, accepts: (event: E) => boolean, signal?: AbortSignal): Promise<E> {
    return this.#events.next(what, accepts, signal);
  }

  /** @throws Error with the program's reason when it refuses the order, or has ended */
  command(fields: Readonly<Record<string, unknown>>): Promise<A> {
    if (hasEnded(this.#child)) return Promise.reject(new Error(`${this.#name} has ended ${this.#stderr}`));
    const ref = ++this.#lastRef;
    return new Promise((resolve, reject) => {
      this.#waiting.set(ref, { resolve, reject });
      this.#child.stdin?.write(`${JSON.stringify({ ref, ...fields })}\n`);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // At the end of stdin the program leaves its peers in order.
    this.#child.stdin?.end();
    await stop(this.#child, undefined, EXIT_TIMEOUT_MS);
  }

  #take(line: E | (Done & A)): void {
    if (!('ref' in line)) {
      this.#events.push(line);
      return;
    }
    const waiting = this.#waiting.get(line.ref);
    this.#waiting.delete(line.ref);
    if (line.event === 'done') waiting?.resolve(line);
    else waiting?.reject(new Error(`${this.#name}: ${line.error}`));
  }

  #end(error: Error): void {
    this.#events.end(error);
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }
}
