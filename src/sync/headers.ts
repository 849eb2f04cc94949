import { equalBytes, toBareHex } from '../base/bytes.ts';
import { PeerlaneError } from '../base/errors.ts';
import type { ChainStore } from './chain-store.ts';
import { HeaderDescent, MAX_REORG } from './header-descent.ts';
import type { BlockSource } from './source.ts';
import { type Stage, type StageContext, StageMeter, type StageResult } from './stages.ts';
import { holdersOf, isStored, type ResolvedTarget, resolveTarget } from './target.ts';

/** Default for `writeHeaders`. */
const WRITE_HEADERS = 1024;
/** After this long without any source that has it, a target that was not given by its hash is chosen anew. */
const RECHOOSE_MS = 10_000;
/** How often it is looked whether a source has announced more: none must lead on and on. */
const MAX_LOOKS = 64;
/** How often a source is waited for that does not show the head that it announces. */
const MAX_SILENT = 2;
/** Heads that led nowhere that are remembered. */
const MAX_MISLEADING = 256;

export interface HeadersOptions {
  /** Headers that one write to the store takes at least, unless they are the last; default 1,024. */
  readonly writeHeaders?: number | undefined;
  /** How far below the head of the store the chain of the target may depart from it, in blocks; default `MAX_REORG`. */
  readonly maxReorg?: number | undefined;
}

/**
 * Downloads headers from the target downwards, so that every header is known by its child: what arrives is
 * right, or its sender is wrong. Where the chains meet, the header chain of the store ends with the target.
 */
export class HeadersStage implements Stage {
  readonly name = 'headers';
  readonly #writeHeaders: number;
  readonly #maxReorg: number;
  /** Heads that led nowhere, whoever named them: its sources may come back. */
  readonly #misleading = new Set<string>();

  constructor({ writeHeaders = WRITE_HEADERS, maxReorg = MAX_REORG }: HeadersOptions = {}) {
    this.#writeHeaders = writeHeaders;
    this.#maxReorg = maxReorg;
  }

  /**
   * @throws PeerlaneError `aborted`, `no-peers`, `chain-not-found`, `genesis-mismatch` when the target is of a
   * chain with another genesis block, `store-mismatch` when its chain departs from the stored blocks too far below
   */
  async execute(context: StageContext): Promise<StageResult> {
    const { target, env, store, noPeersTimeoutMs = Number.POSITIVE_INFINITY } = context;
    const meter = new StageMeter(context, this.name);
    let endsAt = env.now() + noPeersTimeoutMs;
    let blocks = 0;
    let known: ResolvedTarget | undefined;
    for (let looks = 0, silent = 0; ; looks++) {
      // One clock for all attempts, which only headers that were stored set back.
      if (meter.result.blocks > blocks) endsAt = env.now() + noPeersTimeoutMs;
      blocks = meter.result.blocks;
      const isPatient = looks > 0;
      const chosen = await resolveTarget(context, target, {
        endsAt,
        isPatient,
        known,
        misleading: this.#misleading,
      });
      try {
        if (await this.#reach(context, chosen, meter)) await requireClaims(store, chosen);
      } catch (error) {
        if (target.kind === 'hash' || !isUnreachable(error)) throw error;
        // Whoever made up a head is gone then: the others have their time, however many of them there were.
        if (await this.#giveUp(context, chosen, error)) endsAt = env.now() + noPeersTimeoutMs;
        else if (env.now() >= endsAt) throw error;
        continue;
      }
      if (target.kind === 'hash' || looks >= MAX_LOOKS) return meter.result;
      known = chosen;
      // Done is who has heard every source, also those that came on the way, unless it keeps its chain to itself.
      const open = await unjudged(store, context.sources, chosen);
      silent = isPatient && meter.result.blocks === blocks ? silent + 1 : 0;
      if (!open || silent >= MAX_SILENT) return meter.result;
    }
  }

  /** False: the stored chain is kept, since it is the longer one. */
  async #reach(context: StageContext, target: ResolvedTarget, meter: StageMeter): Promise<boolean> {
    const { store, noPeersTimeoutMs } = context;
    if (await isStored(store, target)) return true;
    // Headers whose bodies nobody has given yet are worth less than what the sources agree on.
    if (context.target.kind === 'best' && target.number < store.head().number) return false;
    await this.#finishEarlier(context, target, meter);
    const patienceMs =
      context.target.kind === 'hash'
        ? noPeersTimeoutMs
        : Math.min(RECHOOSE_MS, noPeersTimeoutMs ?? RECHOOSE_MS);
    try {
      await this.#descend(context, target, meter, patienceMs);
    } catch (error) {
      const { number } = store.head();
      const isTooFar = error instanceof PeerlaneError && error.code === 'store-mismatch';
      if (!isTooFar || number === store.headerHead().number) throw error;
      // Headers without bodies, which somebody made up in an earlier run, must not bind the store for ever.
      await store.rewind(number);
      await this.#descend(context, target, meter, patienceMs);
    }
    return true;
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
      await this.#descend(context, { number, hash, holders }, meter, RECHOOSE_MS);
    } catch (error) {
      if (!isUnreachable(error)) throw error;
      await store.discardPending();
    }
  }

  async #descend(
    context: StageContext,
    target: ResolvedTarget,
    meter: StageMeter,
    patienceMs: number | undefined,
  ): Promise<void> {
    using descent = new HeaderDescent(context, target, meter, { patienceMs, maxReorg: this.#maxReorg });
    await descent.run(this.#writeHeaders);
  }

  /** The sources that named the target cannot lead there. True: some have gone for it, and others are left. */
  async #giveUp(
    { store, sources }: StageContext,
    target: ResolvedTarget,
    error: PeerlaneError,
  ): Promise<boolean> {
    if (error.code === 'no-peers') return false;
    if (error.code === 'genesis-mismatch') await store.discardPending();
    const [oldest] = this.#misleading;
    if (oldest !== undefined && this.#misleading.size >= MAX_MISLEADING) this.#misleading.delete(oldest);
    this.#misleading.add(toBareHex(target.hash));
    const liars = [...target.holders].filter((source) => sources.has(source));
    for (const source of liars) sources.fail(source, error);
    return liars.length > 0 && sources.size > 0;
  }
}

/** @throws PeerlaneError `chain-not-found` when the target does not lead down to what it was chosen for */
async function requireClaims(store: ChainStore, { claims = [] }: ResolvedTarget): Promise<void> {
  for (const claim of claims) {
    if (await isStored(store, claim)) continue;
    throw new PeerlaneError(
      'chain-not-found',
      `the head does not lead down to block ${claim.number} of other peers`,
    );
  }
}

/** Whether a source that was not weighed announces a head that is not stored. */
async function unjudged(
  store: ChainStore,
  sources: Iterable<BlockSource>,
  { isJudged }: ResolvedTarget,
): Promise<boolean> {
  for (const source of sources) {
    if (isJudged?.(source) !== true && (await store.numberOf(source.head.hash)) === undefined) return true;
  }
  return false;
}

function isUnreachable(error: unknown): error is PeerlaneError {
  return ['genesis-mismatch', 'chain-not-found', 'no-peers'].some(
    (code) => error instanceof PeerlaneError && error.code === code,
  );
}
