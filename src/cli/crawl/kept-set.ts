/** The file of a crawl. */
import type { Env } from '../../base/env.ts';
import { isPeerlaneError, type PeerlaneError } from '../../base/errors.ts';
import { requireReplaceable } from '../../io/text-file.ts';
import type { NodeSet } from '../../server/node-set.ts';
import type { Context } from '../command.ts';
import { NODE_SET, readNodeSet, writeNodeSet } from '../node-set-file.ts';

/** How often the file is written, so that a crash loses little. */
const WRITE_INTERVAL_MS = 30_000;

/** A node set and its file, which need not be there yet. */
export class KeptSet implements AsyncDisposable {
  readonly set: NodeSet;
  readonly #path: string;
  readonly #env: Env;
  /** An empty set does not make a file. */
  #isThere: boolean;
  #stop: () => void = () => undefined;
  #writing: Promise<void> = Promise.resolve();

  private constructor(path: string, set: NodeSet | undefined, env: Env) {
    this.set = set ?? new Map();
    this.#path = path;
    this.#env = env;
    this.#isThere = set !== undefined;
  }

  /** @throws PeerlaneError `file-unreadable`, also when the file could not be written; `node-set-invalid`, `aborted` */
  static async open(path: string, context: Context): Promise<KeptSet> {
    await requireReplaceable(path, NODE_SET);
    const set = await readIfThere(path, context);
    return new KeptSet(path, set, context.env);
  }

  /** Writes every now and then, until the end. @param failed told of a write that has failed */
  writeAgainAndAgain(failed: (error: PeerlaneError) => void): void {
    this.#stop();
    this.#stop = repeated(this.#env, WRITE_INTERVAL_MS, () => {
      void this.write().catch((error: unknown) => {
        if (!isPeerlaneError(error)) throw error;
        failed(error);
      });
    });
  }

  /** @throws PeerlaneError `file-unreadable` */
  write(): Promise<void> {
    const written = this.#writing.then(async () => {
      if (this.set.size === 0 && !this.#isThere) return;
      await writeNodeSet(this.#path, this.set);
      this.#isThere = true;
    });
    this.#writing = written.catch(() => undefined);
    return written;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop();
    await this.#writing;
  }
}

async function readIfThere(path: string, context: Context): Promise<NodeSet | undefined> {
  try {
    return await readNodeSet(path, context);
  } catch (error) {
    if (isPeerlaneError(error, 'file-unreadable') && isMissing(error.cause)) return undefined;
    throw error;
  }
}

function isMissing(cause: unknown): boolean {
  return cause instanceof Error && 'code' in cause && cause.code === 'ENOENT';
}

/** Calls `run` every `ms`; returns what ends it. */
export function repeated(env: Env, ms: number, run: () => void): () => void {
  const again = (): void => {
    run();
    timer = env.setTimer(ms, again);
  };
  let timer = env.setTimer(ms, again);
  return () => timer.cancel();
}
