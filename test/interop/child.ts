/** Child processes of tests: each is stopped by its own pid, and none outlives the process that started it. */
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { once } from 'node:events';

const running = new Set<ChildProcess>();

process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

export function start(program: string, args: readonly string[], options: SpawnOptions): ChildProcess {
  const child = spawn(program, args, options);
  running.add(child);
  child.once('exit', () => running.delete(child));
  child.once('error', () => running.delete(child));
  return child;
}

/** Whether the process has ended, by itself or by a signal. */
export function hasEnded(child: ChildProcess): boolean {
  return child.pid === undefined || child.exitCode !== null || child.signalCode !== null;
}

/**
 * Waits until the process is gone, after `signal` if it needs one to end. It is killed when it has not ended
 * within `patience` ms.
 */
export async function stop(
  child: ChildProcess,
  signal: NodeJS.Signals | undefined,
  patience: number,
): Promise<void> {
  if (hasEnded(child)) return;
  const gone = once(child, 'exit');
  const kill = setTimeout(() => child.kill('SIGKILL'), patience);
  if (signal !== undefined) child.kill(signal);
  await gone;
  clearTimeout(kill);
}

/** Runs a program to its end. @throws Error with its output, unless it exits with 0 */
export async function run(program: string, args: readonly string[], signal?: AbortSignal): Promise<string> {
  const child = start(program, args, { stdio: ['ignore', 'pipe', 'pipe'], ...(signal ? { signal } : {}) });
  const output: Buffer[] = [];
  child.stdout?.on('data', (chunk: Buffer) => output.push(chunk));
  child.stderr?.on('data', (chunk: Buffer) => output.push(chunk));
  const [code] = (await once(child, 'close')) as [number | null];
  const text = Buffer.concat(output).toString();
  if (code !== 0) throw new Error(`${program} ${args.join(' ')} ended with ${code}:\n${text}`);
  return text;
}
