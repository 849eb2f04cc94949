/** What surrounds every command: its output, Ctrl-C, errors and the exit status. */
import type { Command } from 'commander';
import { type Env, systemEnv } from '../base/env.ts';
import { isPeerlaneError, PeerlaneError, toPeerlaneError } from '../base/errors.ts';
import { fileProblem } from '../base/file-problem.ts';
import { Output } from './output.ts';

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

export interface CommonOptions {
  readonly json?: boolean;
}

/** Adds what all commands take. */
export function withCommonOptions(command: Command): Command {
  return command.option('--json', 'print one JSON object a line');
}

/** One Ctrl-C can arrive twice: from the terminal, and from a parent such as npm that passes it on. */
const SAME_INTERRUPT_MS = 500;

/**
 * Runs `action` and sets the exit status of the process. The first SIGINT or SIGTERM aborts the context's signal
 * and a later one ends the process at once.
 */
export async function runAction(
  { json = false }: CommonOptions,
  action: (context: Context) => Promise<void>,
): Promise<void> {
  const output = new Output(json, systemEnv);
  const abort = new AbortController();
  let ended = false;
  let interruptedAt: number | undefined;
  const interrupt = (): void => {
    const now = systemEnv.now();
    interruptedAt ??= now;
    if (now - interruptedAt > SAME_INTERRUPT_MS) process.exit(EXIT.interrupted);
    abort.abort(new PeerlaneError('aborted', 'interrupted'));
  };
  // A reader that goes away, as `head` does, is a wish to stop.
  const onWriteError = (error: NodeJS.ErrnoException): void => {
    const isGone = error.code === 'EPIPE';
    const message = isGone
      ? 'nobody reads the output'
      : `the output cannot be written: ${fileProblem(error)}`;
    const reason = new PeerlaneError(isGone ? 'aborted' : 'file-unreadable', message, { cause: error });
    output.isLost = true;
    abort.abort(reason);
    if (!ended || isGone) return;
    process.exitCode = EXIT.failed;
    output.error(reason);
  };
  // They stay until the process is gone: an echo of the signal may come late.
  process.on('SIGINT', interrupt);
  process.on('SIGTERM', interrupt);
  process.stdout.on('error', onWriteError);
  try {
    await action({ env: systemEnv, output, signal: abort.signal });
    output.endProgress();
    process.exitCode = !abort.signal.aborted
      ? EXIT.ok
      : isPeerlaneError(abort.signal.reason, 'aborted')
        ? EXIT.interrupted
        : EXIT.failed;
  } catch (error) {
    const cause = isPeerlaneError(error, 'aborted') && abort.signal.aborted ? abort.signal.reason : error;
    process.exitCode = isPeerlaneError(cause, 'aborted') ? EXIT.interrupted : EXIT.failed;
    output.error(toPeerlaneError(cause));
  } finally {
    ended = true;
  }
}
