import { equalBytes } from '../base/bytes.ts';
import { PeerlaneError } from '../base/errors.ts';
import { HeaderDescent } from './header-descent.ts';
import type { BlockSource } from './source.ts';
import { type Stage, type StageContext, StageMeter, type StageResult } from './stages.ts';
import { holdersOf, type ResolvedTarget, resolveHigher, resolveTarget } from './target.ts';

/** Default for `writeHeaders`. */
const WRITE_HEADERS = 1024;
/** After this long without any source that has it, a target that was not given by its hash is chosen anew. */
const RECHOOSE_MS = 30_000;
/** How often a head above the one that was reached is looked for: a source must not lead on and on. */
const MAX_CLIMBS = 16;

export interface HeadersOptions {
  /** Headers that one write to the store takes at least, unless they are the last; default 1,024. */
  readonly writeHeaders?: number | undefined;
}

/**
 * Downloads headers from the target downwards, so that every header is known by its child: what arrives is
 * right, or its sender is wrong. Where the chains meet, the header chain of the store ends with the target.
 */
export class HeadersStage implements Stage {
  readonly name = 'headers';
  readonly #writeHeaders: number;

  constructor({ writeHeaders = WRITE_HEADERS }: HeadersOptions = {}) {
    this.#writeHeaders = writeHeaders;
  }

  /**
   * @throws PeerlaneError `aborted`, `no-peers`, `chain-not-found`, `genesis-mismatch` when the target is of a
   * chain with another genesis block
   */
  async execute(context: StageContext): Promise<StageResult> {
    const { target, env, noPeersTimeoutMs = Number.POSITIVE_INFINITY } = context;
    const meter = new StageMeter(context, this.name);
    for (;;) {
      const chosen = await resolveTarget(context, target);
      const chosenAt = env.now();
      try {
        await this.#reach(context, chosen, meter);
        break;
      } catch (error) {
        const isWorthAnother = target.kind !== 'hash' && isUnreachable(error);
        if (!isWorthAnother || env.now() - chosenAt >= noPeersTimeoutMs) throw error;
        await this.#giveUp(context, chosen, error);
      }
    }
    if (target.kind === 'best') await this.#climb(context, meter);
    return meter.result;
  }

  /** On to the heads of those sources whose chain goes on above the one that was reached. */
  async #climb(context: StageContext, meter: StageMeter): Promise<void> {
    for (let climbs = 0; climbs < MAX_CLIMBS; climbs++) {
      const higher = await resolveHigher(context);
      if (higher === undefined) return;
      try {
        await this.#finishEarlier(context, higher, meter);
        using descent = new HeaderDescent(context, { ...higher, isExtension: true }, meter, RECHOOSE_MS);
        await descent.run(this.#writeHeaders);
      } catch (error) {
        if (!isUnreachable(error)) throw error;
        await context.store.discardPending();
        await this.#giveUp(context, higher, error);
      }
    }
  }

  async #reach(context: StageContext, target: ResolvedTarget, meter: StageMeter): Promise<void> {
    const { store, noPeersTimeoutMs } = context;
    const stored = await store.hashOf(target.number);
    if (stored !== undefined && equalBytes(stored, target.hash)) return;
    if (context.target.kind === 'best' && target.number <= store.headerHead().number) return;
    await this.#finishEarlier(context, target, meter);
    const patienceMs =
      context.target.kind === 'hash'
        ? noPeersTimeoutMs
        : Math.min(RECHOOSE_MS, noPeersTimeoutMs ?? RECHOOSE_MS);
    using descent = new HeaderDescent(context, target, meter, patienceMs);
    await descent.run(this.#writeHeaders);
  }

  /**
   * An earlier run may have been on the way to an older block. If sources have both, what it got is completed, and
   * the rest goes on from there; else it is given up.
   */
  async #finishEarlier(context: StageContext, target: ResolvedTarget, meter: StageMeter): Promise<void> {
    const { store } = context;
    const pending = store.pending();
    if (pending === undefined || equalBytes(pending.topHash, target.hash)) return;
    const { topNumber: number, topHash: hash } = pending;
    const having = number < target.number ? await holdersOf(context, hash) : new Set<BlockSource>();
    const holders = new Set([...target.holders].filter((source) => having.has(source)));
    if (holders.size === 0) {
      await store.discardPending();
      return;
    }
    try {
      using descent = new HeaderDescent(context, { number, hash, holders }, meter, RECHOOSE_MS);
      await descent.run(this.#writeHeaders);
    } catch (error) {
      if (!isUnreachable(error)) throw error;
      await store.discardPending();
    }
  }

  /** The sources that named the target cannot lead there. */
  async #giveUp(
    { store, sources }: StageContext,
    target: ResolvedTarget,
    error: PeerlaneError,
  ): Promise<void> {
    if (error.code === 'no-peers') return;
    if (error.code === 'genesis-mismatch') await store.discardPending();
    for (const source of target.holders) if (sources.has(source)) sources.fail(source, error);
  }
}

function isUnreachable(error: unknown): error is PeerlaneError {
  return ['genesis-mismatch', 'chain-not-found', 'no-peers'].some(
    (code) => error instanceof PeerlaneError && error.code === code,
  );
}
