/** What surrounds every command: its output, Ctrl-C, errors and the exit status. */
import type { Command } from 'commander';
import { type Env, systemEnv } from '../base/env.ts';
import { isPeerlaneError, PeerlaneError, toPeerlaneError } from '../base/errors.ts';
import { fileProblem } from '../base/file-problem.ts';
import { Output, type Streams } from './output.ts';

export const EXIT = {
  ok: 0,
  failed: 1,
  usage: 2,
  /** 128 and SIGINT. */
  interrupted: 130,
} as const;

export interface Context {
  readonly env: Env;
  readonly output: Output;
  /** Aborted by Ctrl-C; a command then stops in order and throws, or returns, as it comes. */
  readonly signal: AbortSignal;
}

/** What a command has of the process that it runs in. */
export interface Host extends Streams {
  exitCode?: number | string | null | undefined;
  readonly pid: number;
  on(signal: 'SIGINT' | 'SIGTERM', listener: () => void): unknown;
  off(signal: 'SIGINT' | 'SIGTERM', listener: () => void): unknown;
  kill(pid: number, signal: 'SIGINT'): unknown;
}

export interface CommonOptions {
  readonly json?: boolean;
}

/** Adds what all commands take. */
export function withCommonOptions(command: Command): Command {
  return command.option('--json', 'print one JSON object a line');
}

/** A wait that no signal ends, such as the opening of a pipe, is left behind. Goodbyes to peers take 1 s. */
const HEED_MS = 5_000;

/** One Ctrl-C can arrive twice: from the terminal, and from a parent such as npm that passes it on. */
const SAME_INTERRUPT_MS = 500;

function isGone(error: NodeJS.ErrnoException): boolean {
  return error.code === 'EPIPE';
}

function unwritable(error: NodeJS.ErrnoException): PeerlaneError {
  const message = `the output cannot be written: ${fileProblem(error)}`;
  return new PeerlaneError('file-unreadable', message, { cause: error });
}

/** Outside of an action, such as for the help: nothing is to be stopped. */
function reportWriteError(error: NodeJS.ErrnoException): void {
  if (isGone(error)) return;
  // A usage error keeps its status.
  process.exitCode ||= EXIT.failed;
  const output = new Output(false, systemEnv);
  output.error(unwritable(error));
}

/** To be called before anything is written: an error of a stream that nobody listens to ends the process. */
export function watchStreams(): void {
  process.stdout.on('error', reportWriteError);
  // There is no place left to report it.
  process.stderr.on('error', () => undefined);
}

/** Runs what a command does. */
export type RunAction = (
  options: CommonOptions,
  action: (context: Context) => Promise<void>,
) => Promise<void>;

/**
 * Runs `action` and sets the exit status of `host`. The first SIGINT or SIGTERM aborts the context's signal
 * and a later one ends the process at once, as does an action that has not heeded the first for `HEED_MS`.
 */
export async function runAction(
  host: Host,
  { json = false }: CommonOptions,
  action: (context: Context) => Promise<void>,
): Promise<void> {
  const output = new Output(json, systemEnv, host);
  const abort = new AbortController();
  let ended = false;
  let interruptedAt: number | undefined;
  // The status that a shell sees is `EXIT.interrupted`. `process.exit` would wait for a thread that opens a pipe.
  const endNow = (): void => {
    host.off('SIGINT', interrupt);
    host.kill(host.pid, 'SIGINT');
  };
  const interrupt = (): void => {
    const now = systemEnv.now();
    if (interruptedAt === undefined) setTimeout(endNow, HEED_MS).unref();
    interruptedAt ??= now;
    if (now - interruptedAt > SAME_INTERRUPT_MS) endNow();
    abort.abort(new PeerlaneError('aborted', 'interrupted'));
  };
  // A reader that goes away, as `head` does, is a wish to stop.
  const onWriteError = (error: NodeJS.ErrnoException): void => {
    const reason = isGone(error)
      ? new PeerlaneError('aborted', 'nobody reads the output', { cause: error })
      : unwritable(error);
    // Every write fails that follows.
    const isFirst = !output.isLost;
    output.isLost = true;
    abort.abort(reason);
    if (!ended || !isFirst) return;
    // The action has ended well while what it printed was still on its way.
    if (isGone(error)) {
      host.exitCode ||= EXIT.interrupted;
      return;
    }
    host.exitCode = EXIT.failed;
    output.error(reason);
  };
  // They stay until the process is gone: an echo of the signal may come late.
  host.on('SIGINT', interrupt);
  host.on('SIGTERM', interrupt);
  host.stdout.off('error', reportWriteError);
  host.stdout.on('error', onWriteError);
  try {
    await action({ env: systemEnv, output, signal: abort.signal });
    output.endProgress();
    if (!abort.signal.aborted) host.exitCode = EXIT.ok;
    else if (isPeerlaneError(abort.signal.reason, 'aborted')) host.exitCode = EXIT.interrupted;
    else throw abort.signal.reason;
  } catch (error) {
    const cause = isPeerlaneError(error, 'aborted') && abort.signal.aborted ? abort.signal.reason : error;
    host.exitCode = isPeerlaneError(cause, 'aborted') ? EXIT.interrupted : EXIT.failed;
    output.error(toPeerlaneError(cause));
  } finally {
    ended = true;
  }
}
