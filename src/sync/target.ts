import { onAbort, throwIfAborted } from '../base/abort.ts';
import { equalBytes, toBareHex } from '../base/bytes.ts';
import type { Timer } from '../base/env.ts';
import { type ErrorCode, PeerlaneError, toPeerlaneError } from '../base/errors.ts';
import { keccak256 } from '../crypto/index.ts';
import { AbortGroup } from './abort-group.ts';
import type { ChainStore } from './chain-store.ts';
import { orAborted, outOfPatience } from './fetcher.ts';
import type { BlockSource, HeadersRequest } from './source.ts';
import type { StageContext, Target } from './stages.ts';
import { Wake } from './wake.ts';

/** How long one source may take to answer a question about the target. */
const ANSWER_MS = 8_000;
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
/** Heads that one source is asked about at once. */
const AT_ONCE = 4;
/** Announced heads that are weighed against each other. */
const MAX_CANDIDATES = 16;

export interface ResolvedTarget {
  readonly number: number;
  readonly hash: Uint8Array;
  /** The sources that have shown to have it. */
  readonly holders: ReadonlySet<BlockSource>;
  /** Of `best`: the announced heads (hexadecimal) that were looked at; those that are not here gave no answer. */
  readonly judged?: ReadonlySet<string>;
  /** Of `best`: lower heads that it leads down to, as one of its sources has said. */
  readonly claims?: readonly Pick<Sighting, 'number' | 'hash'>[];
}

export interface ResolveOptions {
  /** On the clock of `Env.now`; default: `noPeersTimeoutMs` from now. */
  readonly endsAt?: number;
  /** Of `best`: whether slow sources are waited for although others have answered. */
  readonly isPatient?: boolean;
}

/**
 * Finds out which block `target` is, waiting for sources as long as it takes.
 * @throws PeerlaneError `no-peers`, `chain-not-found`, `aborted`
 */
export async function resolveTarget(
  context: StageContext,
  target: Target,
  {
    endsAt = context.env.now() + (context.noPeersTimeoutMs ?? Number.POSITIVE_INFINITY),
    isPatient = false,
  }: ResolveOptions = {},
): Promise<ResolvedTarget> {
  const { store, sources, env, signal } = context;
  if (target.kind === 'hash') {
    const number = await store.numberOf(target.hash);
    if (number !== undefined) return { number, hash: target.hash, holders: new Set() };
  }
  const wake = new Wake();
  const stops = [sources.onChange(() => wake.ring()), onAbort(signal, () => wake.ring())];
  try {
    for (;;) {
      throwIfAborted(signal);
      const resolved = await (target.kind === 'best' ? askBest(context, isPatient) : ask(context, target));
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

/** A head that sources announce, and have. */
interface Head {
  readonly number: number;
  readonly hash: Uint8Array;
  readonly announcers: BlockSource[];
}

/**
 * The head that most sources agree with: they have it, or it leads down to the head that they have. Only ends of chains
 * compete, since all chains have what they have in common: whoever lags holds up nobody. Of several the highest.
 */
async function askBest(context: StageContext, isPatient: boolean): Promise<ResolvedTarget | undefined> {
  const heads = [...(await announcedHeads(context, isPatient)).values()];
  const candidates = heads
    .toSorted((a, b) => b.announcers.length - a.announcers.length || b.number - a.number)
    .slice(0, MAX_CANDIDATES);
  const found: Support[] = [];
  for (const head of candidates) found.push(await support(context, head, heads));
  const passed = new Set(found.flatMap(({ claims }) => claims));
  const [best] = found
    .filter(({ head }) => !passed.has(head))
    .sort((a, b) => b.votes - a.votes || b.head.number - a.head.number);
  if (best === undefined) return undefined;
  const { holders, claims, head } = best;
  const judged = new Set(heads.map(({ hash }) => toBareHex(hash)));
  return { number: head.number, hash: head.hash, holders, claims, judged };
}

/** The heads of the sources, each as its source has shown it, by hash. */
async function announcedHeads(context: StageContext, isPatient: boolean): Promise<Map<string, Head>> {
  const heads = new Map<string, Head>();
  using questions = new AbortGroup(context.signal);
  let grace: Timer | undefined;
  await Promise.all(
    [...context.sources].map(async (source) => {
      const sighting = await sight(context, source, source.head.hash, questions);
      if (sighting === undefined || !context.sources.has(source)) return;
      if (!isPatient) grace ??= context.env.setTimer(GRACE_MS, () => questions.abort());
      const { number, hash } = sighting;
      const name = toBareHex(hash);
      const head = heads.get(name) ?? { number, hash, announcers: [] };
      head.announcers.push(source);
      heads.set(name, head);
    }),
  );
  grace?.cancel();
  return heads;
}

interface Support {
  readonly head: Head;
  readonly holders: ReadonlySet<BlockSource>;
  /** Sources that agree. */
  readonly votes: number;
  readonly claims: readonly Head[];
}

/** Which sources have `head`, and how many agree with it. */
async function support(context: StageContext, head: Head, all: readonly Head[]): Promise<Support> {
  using questions = new AbortGroup(context.signal);
  const holders = new Set(head.announcers);
  const claims: Head[] = [];
  let votes = head.announcers.length;
  const names = async (source: BlockSource, { number, hash }: Head): Promise<boolean> => {
    const sighting = await sight(context, source, number, questions);
    return sighting !== undefined && equalBytes(sighting.hash, hash);
  };
  const weigh = async (other: Head): Promise<void> => {
    if (other === head) return;
    if (other.number < head.number) {
      const [witness] = head.announcers;
      if (witness === undefined || !(await names(witness, other))) return;
      claims.push(other);
      votes += other.announcers.length;
      return;
    }
    await Promise.all(
      other.announcers.map(async (source) => {
        if (!(await names(source, head))) return;
        holders.add(source);
        votes++;
      }),
    );
  };
  for (let from = 0; from < all.length; from += AT_ONCE) {
    await Promise.all(all.slice(from, from + AT_ONCE).map(weigh));
  }
  return { head, holders, votes, claims };
}

async function ask(
  context: StageContext,
  target: Exclude<Target, { kind: 'best' }>,
): Promise<ResolvedTarget | undefined> {
  const asked = [...context.sources];
  const wanted = target.kind === 'hash' ? target.hash : target.number;
  using questions = new AbortGroup(context.signal);
  let grace: Timer | undefined;
  const answers = await Promise.all(
    asked.map(async (source) => {
      const sighting = await sight(context, source, wanted, questions);
      // A block that is known by its hash needs no second opinion.
      const graceMs = target.kind === 'hash' ? 0 : GRACE_MS;
      if (sighting !== undefined) grace ??= context.env.setTimer(graceMs, () => questions.abort());
      return sighting;
    }),
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
    const [member] = group;
    const isTie = member !== undefined && group.length === best.length;
    // Of several that as many name, the one in the store is preferred.
    if (group.length > best.length || (isTie && (await isStored(context.store, member)))) best = group;
  }
  const [first] = best;
  if (first === undefined) return undefined;
  return { number: first.number, hash: first.hash, holders: new Set(best.map(({ source }) => source)) };
}

/** Whether the block is on the stored header chain. */
export async function isStored(
  store: ChainStore,
  { number, hash }: { readonly number: number; readonly hash: Uint8Array },
): Promise<boolean> {
  const stored = await store.hashOf(number);
  return stored !== undefined && equalBytes(stored, hash);
}
