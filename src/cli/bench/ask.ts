/** Starts the processes that measure, and gathers what they say. */
import { fork } from 'node:child_process';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { onAbort, throwIfAborted } from '../../base/abort.ts';
import type { Env, Timer } from '../../base/env.ts';
import { PeerlaneError } from '../../base/errors.ts';
import type { Backend, Figure } from '../../bench/figure.ts';
import type { ChildMessage, PaceName } from './messages.ts';

/** Nobody waits longer for one answer; the slowest takes ten seconds or so. */
const ANSWER_TIMEOUT_MS = 180_000;
/** What is kept of the last words of a process. */
const STDERR_LIMIT = 4_096;

export interface AskOptions {
  readonly backend: Backend;
  readonly pace: PaceName;
  readonly env: Env;
  readonly signal: AbortSignal;
}

export type Availability = { readonly detail: string } | { readonly reason: string };

/** Whether a backend runs here, and what it says of itself; else why not. */
export async function probe(options: AskOptions): Promise<Availability> {
  let found: Availability | undefined;
  const problem = await runChild(options, [], (message) => {
    if (message.kind === 'ready') found = { detail: message.detail };
    if (message.kind === 'unavailable') found = { reason: message.reason };
  });
  return found ?? { reason: problem ?? 'the process that measures says nothing' };
}

/** What became of a question. */
export type Answer =
  | { readonly id: string; readonly figure: Figure }
  | { readonly id: string; readonly problem: string };

/** Asks questions in one process; each is answered, in order, by `onAnswer`. @throws PeerlaneError `aborted` */
export async function ask(
  options: AskOptions,
  ids: readonly string[],
  onAnswer: (answer: Answer) => void,
): Promise<void> {
  const open = new Set(ids);
  const problem = await runChild(options, ids, (message) => {
    if (message.kind === 'figure' && open.delete(message.id)) onAnswer(message);
    if (message.kind === 'failed' && open.delete(message.id))
      onAnswer({ id: message.id, problem: message.message });
  });
  for (const id of open) onAnswer({ id, problem: problem ?? 'the process that measures left it out' });
}

/** Runs a process to its end. Returns what went wrong with it, if anything did. @throws PeerlaneError `aborted` */
async function runChild(
  { backend, pace, env, signal }: AskOptions,
  ids: readonly string[],
  onMessage: (message: ChildMessage) => void,
): Promise<string | undefined> {
  throwIfAborted(signal);
  // Beside this file, and compiled if this file is.
  const script = fileURLToPath(new URL(`./child${extname(import.meta.url)}`, import.meta.url));
  const child = fork(script, [pace, ...ids], {
    env: { ...process.env, PEERLANE_BACKEND: backend },
    execArgv: [],
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  let problem: string | undefined;
  let timer: Timer | undefined;
  const watch = (): void => {
    timer?.cancel();
    timer = env.setTimer(ANSWER_TIMEOUT_MS, () => {
      problem = `no answer for ${ANSWER_TIMEOUT_MS / 1000} s`;
      child.kill('SIGKILL');
    });
  };
  let stderr = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr = (stderr + text).slice(-STDERR_LIMIT);
  });
  child.on('message', (message) => {
    watch();
    onMessage(message as ChildMessage);
  });
  watch();
  const removeListener = onAbort(signal, () => child.kill('SIGTERM'));
  let isInterrupted = false;
  const ended = await new Promise<string | undefined>((resolve) => {
    child.on('error', (error) => resolve(`no process to measure in: ${error.message}`));
    child.on('close', (status, by) => {
      // From the terminal, before the process could ask to be left alone: our own turn is about to come.
      isInterrupted = by === 'SIGINT';
      // Node ends what it says of an exception with its version.
      const lines = stderr.trim().split('\n');
      const words = lines.findLast((line) => /^\w*Error\b/.test(line)) ?? lines.at(-1) ?? '';
      resolve(status === 0 ? undefined : `the process ended with ${by ?? `status ${status}`}: ${words}`);
    });
  });
  removeListener();
  timer?.cancel();
  if (signal.aborted || isInterrupted)
    throw new PeerlaneError('aborted', 'interrupted', { cause: signal.reason });
  return problem ?? ended;
}
