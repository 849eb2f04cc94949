import { onAbort, orAborted, throwIfAborted } from '../base/abort.ts';
import { equalBytes, toBareHex } from '../base/bytes.ts';
import { setDeadline } from '../base/deadline.ts';
import type { Timer } from '../base/env.ts';
import { type ErrorCode, PeerlaneError, toPeerlaneError } from '../base/errors.ts';
import { keccak256 } from '../crypto/index.ts';
import { AbortGroup } from './abort-group.ts';
import type { ChainStore } from './chain-store.ts';
import { outOfPatience } from './fetcher.ts';
import type { BlockSource, HeadersRequest, SourceSet } from './source.ts';
import type { StageContext, Target } from './stages.ts';
import { Wake } from './wake.ts';

/** How long one source may take to answer a question about the target. */
const ANSWER_MS = 8_000;
/** After this long without any answer the question is put again. */
const RETRY_MS = 2_000;
/** Of `best`: the others have this long after the first answer. */
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
  /** Unless it was given by its hash: whether what the source says, or will not say, was weighed. */
  readonly isJudged?: (source: BlockSource) => boolean;
  /** Of `best`: lower heads that it leads down to, as one of its sources has said. */
  readonly claims?: readonly Pick<Sighting, 'number' | 'hash'>[];
}

export interface ResolveOptions {
  /** On the clock of `Env.now`; default: `noPeersTimeoutMs` from now. */
  readonly endsAt?: number;
  /** Of `best`: whether slow sources are waited for although others have answered. */
  readonly isPatient?: boolean;
  /** Of `best`: heads (hexadecimal) that led nowhere, which are chosen only where there is no other. */
  readonly misleading?: ReadonlySet<string>;
  /** What an earlier look found: it stays when no source has anything to say now, or as many name another. */
  readonly known?: ResolvedTarget | undefined;
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
    misleading = new Set(),
    known,
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
    for (let looks = 1; ; looks++) {
      throwIfAborted(signal);
      const resolved = await (target.kind === 'best'
        ? askBest(context, isPatient, misleading)
        : ask(context, target, known));
      if (resolved !== undefined) return resolved;
      throwIfAborted(signal);
      if (known !== undefined && (looks > 1 || sources.size === 0)) return known;
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
  const timer = setDeadline(env, source, ANSWER_MS, () => {
    if (sources.has(source)) source.report?.('timeout');
    abort.abort();
  });
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
async function askBest(
  context: StageContext,
  isPatient: boolean,
  misleading: ReadonlySet<string>,
): Promise<ResolvedTarget | undefined> {
  const announced = [...(await announcedHeads(context, isPatient)).values()];
  const good = announced.filter(({ hash }) => !misleading.has(toBareHex(hash)));
  const heads = good.length > 0 ? good : announced;
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
  const judged = new Set(announced.map(({ hash }) => toBareHex(hash)));
  const isJudged = (source: BlockSource) => judged.has(toBareHex(source.head.hash));
  return { number: head.number, hash: head.hash, holders, claims, isJudged };
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

/**
 * Asks every source for the block, until those that have not answered cannot change what comes of it: whoever is fast
 * does not outvote several that are slow. A block that is known by its hash needs no second opinion.
 */
async function ask(
  context: StageContext,
  target: Exclude<Target, { kind: 'best' }>,
  known: ResolvedTarget | undefined,
): Promise<ResolvedTarget | undefined> {
  const isByHash = target.kind === 'hash';
  const wanted = isByHash ? target.hash : target.number;
  const kept = isByHash ? undefined : (known?.hash ?? (await wholeBlock(context.store, target.number)));
  using questions = new AbortGroup(context.signal);
  const asked = new Set(context.sources);
  const sightings: Sighting[] = [];
  let waiting = asked.size;
  await Promise.all(
    Array.from(asked, async (source) => {
      const sighting = await sight(context, source, wanted, questions);
      waiting--;
      if (sighting !== undefined) sightings.push(sighting);
      const [first, second] = rank(context.sources, sightings, kept);
      if (first === undefined) return;
      const lead = first.holders.size - (second?.holders.size ?? 0) - waiting;
      const winsTies = kept === undefined || first.isKept;
      if (isByHash || lead > 0 || (lead === 0 && winsTies)) questions.abort();
    }),
  );
  const [best] = rank(context.sources, sightings, kept);
  if (best === undefined) return undefined;
  const { number, hash, holders } = best;
  return { number, hash, holders, isJudged: (source) => asked.has(source) };
}

/** The hash of a block that is stored with its body: headers alone may be what a liar left in an earlier run. */
async function wholeBlock(store: ChainStore, number: number): Promise<Uint8Array | undefined> {
  return number <= store.head().number ? await store.hashOf(number) : undefined;
}

interface Named {
  readonly number: number;
  readonly hash: Uint8Array;
  readonly holders: Set<BlockSource>;
  readonly isKept: boolean;
}

/** The blocks that were sighted, those first that most sources name; of several `kept`, then the one sighted first. */
function rank(sources: SourceSet, sightings: readonly Sighting[], kept: Uint8Array | undefined): Named[] {
  const blocks = new Map<string, Named>();
  for (const { source, number, hash } of sightings) {
    if (!sources.has(source)) continue;
    const name = toBareHex(hash);
    const isKept = kept !== undefined && equalBytes(hash, kept);
    const block = blocks.get(name) ?? { number, hash, holders: new Set(), isKept };
    block.holders.add(source);
    blocks.set(name, block);
  }
  return [...blocks.values()].sort(
    (a, b) => b.holders.size - a.holders.size || Number(b.isKept) - Number(a.isKept),
  );
}

/** Whether the block is on the stored header chain. */
export async function isStored(
  store: ChainStore,
  { number, hash }: { readonly number: number; readonly hash: Uint8Array },
): Promise<boolean> {
  const stored = await store.hashOf(number);
  return stored !== undefined && equalBytes(stored, hash);
}
