import { throwIfAborted } from '../base/abort.ts';
import type { Env } from '../base/env.ts';
import type { ChainStore } from './chain-store.ts';
import type { SourceSet } from './source.ts';

/**
 * Where a download goes to.
 *
 * - `hash`: this block. Nobody can lie about it.
 * - `number`: the block of this number that most of the sources name, those too that are slow, or come while
 *   headers are downloaded; of several that as many name, the one that is in the store with its body, or else the
 *   one that as many named first. It is as good as the peers are: a hash is safe.
 * - `best`: of the heads that sources announce, the one that most of them agree with: they have it, or it leads
 *   down to the head that they have. Of several the highest: sources that lag do not hold up the others.
 */
export type Target =
  | { readonly kind: 'hash'; readonly hash: Uint8Array }
  | { readonly kind: 'number'; readonly number: number }
  | { readonly kind: 'best' };

/** How far a stage has come. */
export interface StageProgress {
  readonly stage: string;
  /** The block before the first one of this run, and the last one. */
  readonly from: number;
  readonly to: number;
  /** Blocks that are done, counted on from `from`: a stage may work from the top down. */
  readonly at: number;
  /** Bytes of RLP that were stored in this run. */
  readonly bytes: number;
  /** Blocks per second since this run began. */
  readonly rate: number;
}

/** What a stage works with. */
export interface StageContext {
  readonly store: ChainStore;
  readonly sources: SourceSet;
  readonly target: Target;
  readonly env: Env;
  readonly signal: AbortSignal;
  /** How long a stage waits while no source has what it wants; default: for ever. */
  readonly noPeersTimeoutMs?: number | undefined;
  progress(report: StageProgress): void;
}

/** What a stage did in this run. */
export interface StageResult {
  readonly blocks: number;
  /** Bytes of RLP that were stored. */
  readonly bytes: number;
}

/**
 * A step of a download that works through the whole chain before the next one begins: headers, bodies, and what
 * an application adds, such as execution. What it has done lies in the store (or in a store of its own), so that
 * a stage which is started again goes on from there.
 */
export interface Stage {
  readonly name: string;
  /** @throws PeerlaneError `aborted` when the context's signal says so */
  execute(context: StageContext): Promise<StageResult>;
}

/** Runs stages one after another. Returns their results by name. */
export async function runStages(
  stages: readonly Stage[],
  context: StageContext,
): Promise<ReadonlyMap<string, StageResult>> {
  const results = new Map<string, StageResult>();
  for (const stage of stages) {
    throwIfAborted(context.signal);
    results.set(stage.name, await stage.execute(context));
  }
  return results;
}

/** Counts what a stage does and reports it. */
export class StageMeter {
  readonly #context: StageContext;
  readonly #stage: string;
  readonly #startedAt: number;
  #from = 0;
  #to = 0;
  #at = 0;
  #blocks = 0;
  #bytes = 0;

  constructor(context: StageContext, stage: string) {
    this.#context = context;
    this.#stage = stage;
    this.#startedAt = context.env.now();
  }

  get result(): StageResult {
    return { blocks: this.#blocks, bytes: this.#bytes };
  }

  /** Says what there is to do: blocks above `from` up to `to`, `done` of which are there already. */
  span(from: number, to: number, done = 0): void {
    this.#from = from;
    this.#to = Math.max(from, to);
    this.#at = from + done;
    this.#report();
  }

  add(blocks: number, bytes: number): void {
    this.#at = Math.min(this.#to, this.#at + blocks);
    this.#blocks += blocks;
    this.#bytes += bytes;
    this.#report();
  }

  #report(): void {
    const seconds = (this.#context.env.now() - this.#startedAt) / 1000;
    this.#context.progress({
      stage: this.#stage,
      from: this.#from,
      to: this.#to,
      at: this.#at,
      bytes: this.#bytes,
      rate: seconds > 0 ? this.#blocks / seconds : 0,
    });
  }
}
