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

/** A run of the command line, which ends with the test that started it. */
export interface Running {
  readonly done: Promise<Result>;
  /** The JSON objects printed so far. */
  readonly events: JsonEvent[];
  kill(signal: 'SIGINT' | 'SIGTERM'): void;
  /** What was printed, once it matches `pattern`. */
  text(pattern: RegExp): Promise<string>;
  /** The first event, printed already or to come, that fulfils `matches`. */
  event(matches: (event: JsonEvent) => boolean): Promise<JsonEvent>;
}

/** What a run has printed, for those who wait for some of it. */
class Printed {
  stdout = '';
  stderr = '';
  #ended = false;
  #watchers: (() => void)[] = [];

  add(text: string): void {
    this.stdout += text;
    this.#wake();
  }

  end(): void {
    this.#ended = true;
    this.#wake();
  }

  async text(pattern: RegExp): Promise<string> {
    await this.#until(() => (pattern.test(this.stdout) ? true : undefined));
    return this.stdout;
  }

  event(matches: (event: JsonEvent) => boolean): Promise<JsonEvent> {
    return this.#until(() => eventsOf(this.stdout).find(matches));
  }

  /** What `look` gives as soon as it gives something. */
  async #until<T>(look: () => T | undefined): Promise<T> {
    for (;;) {
      const found = look();
      if (found !== undefined) return found;
      if (this.#ended) throw new Error(`the run ended without it: ${this.stdout}${this.stderr}`);
      await new Promise<void>((resolve) => this.#watchers.push(resolve));
    }
  }

  #wake(): void {
    const watchers = this.#watchers;
    this.#watchers = [];
    for (const wake of watchers) wake();
  }
}

/** A run in a process of its own. It is killed with the test that started it, and its temporary files go too. */
export class Cli implements Running {
  readonly done: Promise<Result>;
  readonly #child: ChildProcess;
  readonly #printed = new Printed();

  constructor(args: readonly string[], env: NodeJS.ProcessEnv = {}, script = MAIN) {
    const temporary = mkdtempSync(PREFIX);
    const child = spawn(process.execPath, [script, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, TMPDIR: temporary, ...env },
    });
    this.#child = child;
    const printed = this.#printed;
    child.stdout.setEncoding('utf8').on('data', (text: string) => printed.add(text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      printed.stderr += text;
    });
    this.done = new Promise((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (status, signal) => {
        printed.end();
        const { stdout, stderr } = printed;
        resolve({ status: status ?? undefined, signal: signal ?? undefined, stdout, stderr });
      });
    });
    onTestFinished(async () => {
      child.kill('SIGKILL');
      await this.done;
      await rm(temporary, { recursive: true, force: true });
    });
  }

  get events(): JsonEvent[] {
    return eventsOf(this.#printed.stdout);
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  text(pattern: RegExp): Promise<string> {
    return this.#printed.text(pattern);
  }

  event(matches: (event: JsonEvent) => boolean): Promise<JsonEvent> {
    return this.#printed.event(matches);
  }
}

/** A stream that is a pipe. */
class Pipe extends Writable {
  readonly isTTY = false;
  readonly #take: (text: string) => void;

  constructor(take: (text: string) => void) {
    super({ decodeStrings: false });
    this.#take = take;
  }

  override _write(chunk: string | Uint8Array, _encoding: string, done: () => void): void {
    this.#take(typeof chunk === 'string' ? chunk : new TextDecoder().decode(chunk));
    done();
  }
}

/** What a process is to a command that runs in this one. */
class InnerHost extends EventEmitter implements Host {
  exitCode?: Host['exitCode'];
  readonly pid = 0;
  readonly stdout: Pipe;
  readonly stderr: Pipe;
  isGone = false;

  constructor(printed: Printed) {
    super();
    this.stdout = new Pipe((text) => printed.add(text));
    this.stderr = new Pipe((text) => {
      printed.stderr += text;
    });
  }

  /** What a command does that has not heeded a signal, and does no more once its process is gone. */
  kill(): void {
    if (!this.isGone) throw new Error('a command has not heeded the signal');
  }
}

/**
 * A run in this process, which takes a hundredth of the time of one of its own. That the compiled program does the same,
 * and that nothing keeps its process alive, is what `Cli` and `runProcess` show.
 */
export class InnerCli implements Running {
  readonly done: Promise<Result>;
  readonly #printed = new Printed();
  readonly #host = new InnerHost(this.#printed);

  constructor(args: readonly string[]) {
    this.done = this.#run(args);
    // A failure is one of `done`, for those who wait for it.
    const ended = this.done.catch(() => undefined);
    onTestFinished(async () => {
      if (!this.#host.isGone) this.kill('SIGTERM');
      await ended;
    });
  }

  get events(): JsonEvent[] {
    return eventsOf(this.#printed.stdout);
  }

  kill(signal: 'SIGINT' | 'SIGTERM'): void {
    this.#host.emit(signal);
  }

  text(pattern: RegExp): Promise<string> {
    return this.#printed.text(pattern);
  }

  event(matches: (event: JsonEvent) => boolean): Promise<JsonEvent> {
    return this.#printed.event(matches);
  }

  async #run(args: readonly string[]): Promise<Result> {
    try {
      await main(args, this.#host);
    } finally {
      this.#host.isGone = true;
      this.#printed.end();
    }
    const { stdout, stderr } = this.#printed;
    return { status: Number(this.#host.exitCode ?? EXIT.ok), signal: undefined, stdout, stderr };
  }
}

/** Runs the command line to its end in this process. */
export function run(...args: readonly string[]): Promise<Result> {
  return new InnerCli(args).done;
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
