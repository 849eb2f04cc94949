/** Runs the command line: as it was compiled in child processes, or here. */
import { type ChildProcess, spawn } from 'node:child_process';
import { EventEmitter } from 'node:events';
import { mkdtempSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import { EXIT, type Host } from '../../src/cli/command.ts';
import { main } from '../../src/cli/program.ts';

const PREFIX = join(tmpdir(), 'peerlane-test-');
/** The command line as it was built. */
export const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

export type JsonEvent = { readonly event: string } & Readonly<Record<string, unknown>>;

export interface Result {
  /** `undefined` when a signal ended the process. */
  readonly status: number | undefined;
  readonly signal: NodeJS.Signals | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

/** A run of the command line. It is killed with the test that started it, and its temporary files go too. */
export class Cli {
  readonly done: Promise<Result>;
  readonly #child: ChildProcess;
  #stdout = '';
  #stderr = '';
  #ended = false;
  #watchers: (() => void)[] = [];

  constructor(args: readonly string[], env: NodeJS.ProcessEnv = {}, script = MAIN) {
    const temporary = mkdtempSync(PREFIX);
    const child = spawn(process.execPath, [script, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, TMPDIR: temporary, ...env },
    });
    this.#child = child;
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.#stdout += text;
      this.#wake();
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr += text;
    });
    this.done = new Promise((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (status, signal) => {
        this.#ended = true;
        this.#wake();
        resolve({
          status: status ?? undefined,
          signal: signal ?? undefined,
          stdout: this.#stdout,
          stderr: this.#stderr,
        });
      });
    });
    onTestFinished(async () => {
      child.kill('SIGKILL');
      await this.done;
      await rm(temporary, { recursive: true, force: true });
    });
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** What was printed, once it matches `pattern`. */
  async text(pattern: RegExp): Promise<string> {
    await this.#until(() => (pattern.test(this.#stdout) ? true : undefined));
    return this.#stdout;
  }

  /** The JSON objects printed so far. */
  get events(): JsonEvent[] {
    return eventsOf(this.#stdout);
  }

  /** The first event, printed already or to come, that fulfils `matches`. */
  event(matches: (event: JsonEvent) => boolean): Promise<JsonEvent> {
    return this.#until(() => this.events.find(matches));
  }

  /** What `look` gives as soon as it gives something. */
  async #until<T>(look: () => T | undefined): Promise<T> {
    for (;;) {
      const found = look();
      if (found !== undefined) return found;
      if (this.#ended) throw new Error(`the process ended without it: ${this.#stdout}${this.#stderr}`);
      await new Promise<void>((resolve) => this.#watchers.push(resolve));
    }
  }

  #wake(): void {
    const watchers = this.#watchers;
    this.#watchers = [];
    for (const wake of watchers) wake();
  }
}

/** Takes what is written to a stream that is a pipe. */
class Written extends Writable {
  text = '';
  readonly isTTY = false;

  constructor() {
    super({ decodeStrings: false });
  }

  override _write(chunk: string | Uint8Array, _encoding: string, done: () => void): void {
    this.text += typeof chunk === 'string' ? chunk : new TextDecoder().decode(chunk);
    done();
  }
}

/** What a process is to a command that runs in this one. */
class InnerHost extends EventEmitter implements Host {
  exitCode?: Host['exitCode'];
  readonly pid = 0;
  readonly stdout = new Written();
  readonly stderr = new Written();

  kill(): void {
    throw new Error('nobody has sent a signal');
  }
}

/**
 * Runs the command line to its end in this process, which takes a hundredth of the time of one of its own. That the
 * compiled program does the same, and that nothing keeps its process alive, is what `runProcess` and `Cli` show.
 */
export async function run(...args: readonly string[]): Promise<Result> {
  const host = new InnerHost();
  await main(args, host);
  const { exitCode = EXIT.ok, stdout, stderr } = host;
  return { status: Number(exitCode), signal: undefined, stdout: stdout.text, stderr: stderr.text };
}

/** Runs the compiled command line to its end in a process of its own. */
export function runProcess(...args: readonly string[]): Promise<Result> {
  return new Cli(args).done;
}

/** The exit status of a run whose reader goes away at the first output, as `head` does. */
export function statusUnread(
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
  script = MAIN,
): Promise<unknown> {
  const child = spawn(process.execPath, [script, ...args], {
    stdio: ['ignore', 'pipe', 'ignore'],
    env: { ...process.env, ...env },
  });
  child.stdout.once('data', () => child.stdout.destroy());
  return new Promise((resolve) => void child.on('close', resolve));
}

/** The JSON objects in `output`, whose every whole line is one. */
export function eventsOf(output: string): JsonEvent[] {
  const lines = output.split('\n').slice(0, -1);
  return lines.map((line): JsonEvent => {
    const value: unknown = JSON.parse(line);
    if (typeof value !== 'object' || value === null || !('event' in value))
      throw new Error(`no event: ${line}`);
    return value as JsonEvent;
  });
}

/** A directory that is gone when the test is over. */
export async function temporaryDirectory(): Promise<string> {
  const path = await mkdtemp(PREFIX);
  onTestFinished(() => rm(path, { recursive: true, force: true }));
  return path;
}
