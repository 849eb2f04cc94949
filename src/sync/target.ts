import { onAbort, throwIfAborted } from '../base/abort.ts';
import { equalBytes, toBareHex } from '../base/bytes.ts';
import type { Timer } from '../base/env.ts';
import { type ErrorCode, PeerlaneError, toPeerlaneError } from '../base/errors.ts';
import { keccak256 } from '../crypto/index.ts';
import { AbortGroup } from './abort-group.ts';
import { orAborted, outOfPatience } from './fetcher.ts';
import type { BlockSource, HeadersRequest } from './source.ts';
import type { StageContext, Target } from './stages.ts';
import { Wake } from './wake.ts';

/** How long one source may take to answer a question about the target. */
const ANSWER_MS = 5_000;
/** After this long without any answer the question is put again. */
const RETRY_MS = 2_000;
/** The others have this long after the first answer. */
const GRACE_MS = 1_000;
/** Failures that say nothing about the block that was asked for, nor about the source. */
const MISSED: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'aborted',
  'closed',
  'remote-disconnect',
  'request-overload',
  'request-timeout',
]);
/** Announced heads that are looked into. */
const MAX_CANDIDATES = 8;

export interface ResolvedTarget {
  readonly number: number;
  readonly hash: Uint8Array;
  /** The sources that have shown to have it. */
  readonly holders: ReadonlySet<BlockSource>;
  /** Whether it must lie on top of the stored header chain. */
  readonly isExtension?: boolean;
}

/**
 * Finds out which block `target` is, waiting for sources as long as it takes.
 * @throws PeerlaneError `no-peers`, `chain-not-found`, `aborted`
 */
export async function resolveTarget(context: StageContext, target: Target): Promise<ResolvedTarget> {
  const { store, sources, env, signal, noPeersTimeoutMs = Number.POSITIVE_INFINITY } = context;
  if (target.kind === 'hash') {
    const number = await store.numberOf(target.hash);
    if (number !== undefined) return { number, hash: target.hash, holders: new Set() };
  }
  const wake = new Wake();
  const stops = [sources.onChange(() => wake.ring()), onAbort(signal, () => wake.ring())];
  const endsAt = env.now() + noPeersTimeoutMs;
  try {
    for (;;) {
      throwIfAborted(signal);
      const resolved = await ask(context, target);
      if (resolved !== undefined) return resolved;
      throwIfAborted(signal);
      if (env.now() >= endsAt) throw outOfPatience(sources);
      const timer = env.setTimer(Math.min(RETRY_MS, endsAt - env.now()), () => wake.ring());
      await wake.wait();
      timer.cancel();
    }
  } finally {
    for (const stop of stops) stop();
  }
}

/**
 * The best of the announced heads that lie above the header chain and, as their sources have it, on top of it;
 * `undefined` when there is none. Waits for no source to come.
 */
export async function resolveHigher(context: StageContext): Promise<ResolvedTarget | undefined> {
  const { store, sources } = context;
  const base = store.headerHead();
  using questions = new AbortGroup(context.signal);
  const on = await Promise.all(
    [...sources].map(async (source) => {
      const { number, hash } = source.head;
      if (number !== undefined && number <= base.number) return [];
      if ((await store.numberOf(hash)) !== undefined) return [];
      const sighting = await sight(context, source, base.number, questions);
      return sighting !== undefined && equalBytes(sighting.hash, base.hash) ? [source] : [];
    }),
  );
  const higher = await ask(context, { kind: 'best' }, on.flat());
  return higher !== undefined && higher.number > base.number ? higher : undefined;
}

/** The header that a source gave for a block. */
export interface Sighting {
  readonly source: BlockSource;
  readonly number: number;
  readonly hash: Uint8Array;
}

/** Which of the sources have the block `hash`. */
export async function holdersOf(context: StageContext, hash: Uint8Array): Promise<Set<BlockSource>> {
  using questions = new AbortGroup(context.signal);
  const sightings = await Promise.all(
    [...context.sources].map((source) => sight(context, source, hash, questions)),
  );
  return new Set(sightings.flatMap((sighting) => sighting?.source ?? []));
}

/**
 * The header of block `wanted` (number or hash) at `source`; undefined when it has none, or gave none in time. A
 * wrong answer is the end of the source.
 */
export async function sight(
  { sources, env }: StageContext,
  source: BlockSource,
  wanted: number | Uint8Array,
  questions: AbortGroup,
): Promise<Sighting | undefined> {
  const abort = questions.add();
  const timer = env.setTimer(ANSWER_MS, () => abort.abort());
  const request: HeadersRequest = { start: wanted, limit: 1 };
  try {
    const answer = await orAborted(source.headers(request, abort.signal), abort.signal);
    if (answer.length === 0) return undefined;
    const { number } = answer.at(0);
    const hash = keccak256(answer.encodedAt(0));
    const isWanted = typeof wanted === 'number' ? number === wanted : equalBytes(hash, wanted);
    if (isWanted && answer.length === 1) return { source, number, hash };
    throw new PeerlaneError('header-invalid', 'the header is not the one that was asked for');
  } catch (error) {
    const failure = toPeerlaneError(error);
    if (!MISSED.has(failure.code) && sources.has(source)) sources.fail(source, failure);
    return undefined;
  } finally {
    timer.cancel();
    questions.delete(abort);
  }
}

async function ask(
  context: StageContext,
  target: Target,
  asked: readonly BlockSource[] = [...context.sources],
): Promise<ResolvedTarget | undefined> {
  const candidates = target.kind === 'best' ? heads(asked) : [wantedOf(target)];
  using questions = new AbortGroup(context.signal);
  let grace: Timer | undefined;
  const answers = await Promise.all(
    asked.flatMap((source) =>
      candidates.map(async (wanted) => {
        const sighting = await sight(context, source, wanted, questions);
        // A block that is known by its hash needs no second opinion.
        const graceMs = target.kind === 'hash' ? 0 : GRACE_MS;
        if (sighting !== undefined) grace ??= context.env.setTimer(graceMs, () => questions.abort());
        return sighting;
      }),
    ),
  );
  grace?.cancel();
  const found = new Map<string, Sighting[]>();
  for (const sighting of answers) {
    if (sighting === undefined || !context.sources.has(sighting.source)) continue;
    const name = toBareHex(sighting.hash);
    found.set(name, [...(found.get(name) ?? []), sighting]);
  }
  let best: readonly Sighting[] = [];
  for (const group of found.values()) {
    if (
      group.length > best.length ||
      (group.length === best.length && (await isBetter(context, target, group, best)))
    ) {
      best = group;
    }
  }
  const [first] = best;
  if (first === undefined) return undefined;
  return { number: first.number, hash: first.hash, holders: new Set(best.map(({ source }) => source)) };
}

function wantedOf(target: Exclude<Target, { kind: 'best' }>): number | Uint8Array {
  return target.kind === 'hash' ? target.hash : target.number;
}

/** The heads that sources announce, those that most announce first, of equals the highest. */
function heads(sources: readonly BlockSource[]): Uint8Array[] {
  const announced = new Map<string, { hash: Uint8Array; number: number; count: number }>();
  for (const { head } of sources) {
    const name = toBareHex(head.hash);
    const known = announced.get(name) ?? { hash: head.hash, number: 0, count: 0 };
    announced.set(name, { ...known, number: head.number ?? known.number, count: known.count + 1 });
  }
  return [...announced.values()]
    .sort((a, b) => b.count - a.count || b.number - a.number)
    .slice(0, MAX_CANDIDATES)
    .map(({ hash }) => hash);
}

/** Whether `group`, named by as many sources as `best`, is to be preferred. */
async function isBetter(
  { store }: StageContext,
  target: Target,
  [group]: readonly Sighting[],
  [best]: readonly Sighting[],
): Promise<boolean> {
  if (group === undefined || best === undefined) return group !== undefined;
  if (target.kind === 'best') return group.number > best.number;
  const stored = await store.hashOf(group.number);
  return stored !== undefined && equalBytes(stored, group.hash);
}
