/** Starts `memory-server.js` and asks it for its memory. */
import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export const MB = 1_000_000;

export class MemoryServer implements AsyncDisposable {
  readonly enode: string;
  readonly backend: string;
  readonly #child: ChildProcess;
  #baseline = 0;

  private constructor(child: ChildProcess, { enode, backend }: { enode: string; backend: string }) {
    this.#child = child;
    this.enode = enode;
    this.backend = backend;
  }

  static async start(): Promise<MemoryServer> {
    const script = fileURLToPath(new URL('./memory-server.js', import.meta.url));
    const child = spawn(process.execPath, ['--expose-gc', script], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    return new MemoryServer(child, await answerOf<{ enode: string; backend: string }>(child));
  }

  /** Collects garbage and measures from here on. */
  async reset(): Promise<void> {
    this.#baseline = await this.#ask<number>('reset');
  }

  /** Bytes by which resident memory has grown, at most, since `reset`. */
  async growth(): Promise<number> {
    return (await this.#ask<number>('peak')) - this.#baseline;
  }

  /** How often each error ended a connection, and what the heap looks like. */
  report(): Promise<unknown> {
    return this.#ask('report');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const gone = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.disconnect();
    await gone;
  }

  #ask<T>(question: string): Promise<T> {
    const answer = answerOf<T>(this.#child);
    this.#child.send(question);
    return answer;
  }
}

function answerOf<T>(child: ChildProcess): Promise<T> {
  return new Promise((resolve, reject) => {
    const ended = () => reject(new Error('the server has ended'));
    child.once('exit', ended);
    child.once('message', (message) => {
      child.off('exit', ended);
      resolve(message as T);
    });
  });
}
