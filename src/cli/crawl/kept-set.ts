/** The file of a crawl. */
import type { Env } from '../../base/env.ts';
import { isPeerlaneError, PeerlaneError } from '../../base/errors.ts';
import { markOf, requireReplaceable } from '../../io/text-file.ts';
import type { NodeSet } from '../../server/node-set.ts';
import type { Context } from '../command.ts';
import { NODE_SET, readNodeSet, writeNodeSet } from '../node-set-file.ts';
import { repeated } from '../repeated.ts';

/** How often the file is written, so that a crash loses little. */
const WRITE_INTERVAL_MS = 30_000;

/** A node set and its file, which need not be there yet. */
export class KeptSet implements AsyncDisposable {
  readonly set: NodeSet;
  readonly #env: Env;
  #path: string;
  /** Of the file that was read or written last; an empty set does not make one. */
  #mark: string | undefined;
  #stop: () => void = () => undefined;
  #writing: Promise<void> = Promise.resolve();

  private constructor(path: string, set: NodeSet, mark: string | undefined, env: Env) {
    this.set = set;
    this.#path = path;
    this.#mark = mark;
    this.#env = env;
  }

  /** @throws PeerlaneError `file-unreadable`, also when the file could not be written; `node-set-invalid`, `aborted` */
  static async open(path: string, context: Context): Promise<KeptSet> {
    await requireReplaceable(path, NODE_SET);
    // Before it is read: what comes meanwhile is a change.
    const mark = await markOf(path);
    const set = await readIfThere(path, context);
    return new KeptSet(path, set ?? new Map(), set === undefined ? undefined : mark, context.env);
  }

  /** Where the set is kept. */
  get path(): string {
    return this.#path;
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

  /**
   * Two crawls may have the same file: nothing is written over that another has put there. Then this set is written beside
   * it, also from then on.
   * @throws PeerlaneError `file-unreadable`
   */
  write(): Promise<void> {
    const written = this.#writing.then(async () => {
      if (this.set.size === 0 && this.#mark === undefined) return;
      const there = await markOf(this.#path);
      const isOthers = there !== undefined && there !== this.#mark;
      const changed = this.#path;
      if (isOthers) this.#path = `${changed}.crawl-${Math.floor(this.#env.unixTime())}`;
      this.#mark = await writeNodeSet(this.#path, this.set);
      if (!isOthers) return;
      const message = `${NODE_SET} ${changed} was changed by another process meanwhile: what this crawl has found is in ${this.#path}`;
      throw new PeerlaneError('file-unreadable', message);
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
