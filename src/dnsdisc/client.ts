/** Finds nodes in DNS (dnsdisc.md, "Client Protocol"). */
import { abortedError, onAbort, throwIfAborted } from '../base/abort.ts';
import { invalidArgument, readEach, reading, signalOf } from '../base/checks.ts';
import { Endable } from '../base/endable.ts';
import type { Env } from '../base/env.ts';
import { isPeerlaneError, PeerlaneError, toPeerlaneError } from '../base/errors.ts';
import { Gate } from '../base/gate.ts';
import { detached } from '../base/observer.ts';
import { setLatest } from '../base/recent.ts';
import { sleep } from '../base/sleep.ts';
import type { NodeRecord } from '../enr/index.ts';
import {
  checkClientOptions,
  checkSyncOptions,
  type DnsClientOptions,
  type Resolver,
  type SyncOptions,
  type WaitOptions,
} from './client-options.ts';
import { type Entry, MAX_TEXTS, parseEntry, type Texts, textOf } from './entry.ts';
import { Forest, MAX_TREES } from './forest.ts';
import { KnownRoots } from './known-roots.ts';
import { Pace } from './pace.ts';
import { syncTree } from './sync.ts';
import type { Tree } from './tree.ts';
import { parseTreeUrl } from './tree-url.ts';
import type { Lookup, Outcome, TreeWalk } from './tree-walk.ts';

/** Lists that are read on each time, by one iterator at a time: another waits. */
export interface DnsLists {
  /** As `DnsClient.records`, from where the last one has stopped. @throws PeerlaneError as it, but for URLs */
  records(options?: WaitOptions): AsyncIterableIterator<NodeRecord>;
}

/** Others have a turn after so many visits: those of what is cached, or of a resolver that answers at once, take none. */
const MAX_VISITS_IN_TURN = 32;

export class DnsClient {
  readonly #resolver: Resolver;
  readonly #env: Env;
  readonly #timeoutMs: number;
  readonly #cacheSize: number;
  readonly #pace: Pace;
  readonly #onProblem: (problem: PeerlaneError, name: string) => void;
  /** The one that was used last stands last. */
  readonly #cache = new Map<string, Entry>();
  readonly #roots = new KnownRoots();
  #visits = 0;

  /** @throws PeerlaneError `invalid-argument` */
  constructor(options: DnsClientOptions) {
    const { resolver, env, timeoutMs, rate, cacheSize, onProblem } = checkClientOptions(options);
    this.#resolver = resolver;
    this.#env = env;
    this.#timeoutMs = timeoutMs;
    this.#cacheSize = cacheSize;
    this.#pace = new Pace(env, rate);
    this.#onProblem = detached(onProblem);
  }

  /**
   * Records of the trees and of those that they link to, in random order, again and again. It has no end by itself:
   * when there are no records, it waits for the trees to change. Nothing is looked up unless somebody waits for a
   * record. Aborting ends it with an error, `return` (as `break` calls it) without one.
   *
   * @throws PeerlaneError `invalid-argument`, `invalid-tree-url`; from `next`: `aborted`
   */
  records(urls: readonly string[], options: WaitOptions = {}): AsyncIterableIterator<NodeRecord> {
    return this.lists(urls).records(options);
  }

  /**
   * The same for who stops and goes on later: what has been read is kept in between.
   * @throws PeerlaneError `invalid-argument`, `invalid-tree-url`
   */
  lists(urls: readonly string[]): DnsLists {
    const roots = reading('urls', () => {
      if (!Array.isArray(urls) || urls.length === 0 || urls.length > MAX_TREES) {
        throw invalidArgument(`urls is not an array of 1 to ${MAX_TREES} URLs`);
      }
      return readEach('urls', urls, parseTreeUrl);
    });
    const forest = new Forest(roots, (url) => this.#roots.seqOf(url));
    const turns = new Gate(1);
    const find = async (signal: AbortSignal): Promise<NodeRecord> => {
      const leave = await turns.enter(1, signal);
      try {
        return await this.#next(forest, signal);
      } finally {
        leave();
      }
    };
    async function* records(signal: AbortSignal): AsyncGenerator<NodeRecord, never, undefined> {
      for (;;) yield await find(signal);
    }
    return { records: (options = {}) => new Endable(records, signalOf(options)) };
  }

  /**
   * Reads a whole tree, without what it links to. What cannot be had is asked for again, and does not keep the rest from
   * being read: `onRecord` tells of all records that could be, `onMissing` of the entries that could not.
   *
   * @throws PeerlaneError `invalid-argument`, `invalid-tree-url`; `invalid-tree` if the signature or an entry is wrong, or the
   * tree too large; `lookup-failed`, `lookup-timeout` if an entry cannot be had; `aborted`
   */
  async sync(url: string, options: SyncOptions = {}): Promise<Tree> {
    const parsed = parseTreeUrl(url);
    const { signal, minSeq, onMissing, onProgress, onRecord } = checkSyncOptions(options);
    const known = this.#roots.seqOf(parsed);
    const readAt = this.#env.now();
    const tree = await syncTree(parsed, {
      minSeq: minSeq > known ? minSeq : known,
      signal,
      lookup: async (name) => {
        await this.#pace.wait(signal);
        return this.#lookup(name, signal);
      },
      pause: (ms) => sleep(this.#env, ms, signal),
      onProblem: this.#onProblem,
      onMissing: detached(onMissing),
      onProgress: detached(onProgress),
      onRecord: detached(onRecord),
    });
    this.#roots.seen(parsed, { root: tree.root, readAt });
    return tree;
  }

  async #next(forest: Forest, signal: AbortSignal): Promise<NodeRecord> {
    for (;;) {
      throwIfAborted(signal);
      if (++this.#visits % MAX_VISITS_IN_TURN === 0) await sleep(this.#env, 0, signal);
      const step = forest.next(
        this.#env.now(),
        (below) => this.#random(below),
        (hash) => this.#cache.has(hash),
      );
      if (step.kind === 'wait') {
        await sleep(this.#env, step.until - this.#env.now(), signal);
        continue;
      }
      const { walk, lookup } = step;
      const { record, linksChanged, problem } = await this.#visit(walk, lookup, signal);
      if (linksChanged) forest.follow();
      if (problem !== undefined) this.#onProblem(problem, lookup.name);
      if (record !== undefined) return record;
    }
  }

  async #visit(walk: TreeWalk, lookup: Lookup, signal: AbortSignal): Promise<Outcome> {
    const failed = (problem: PeerlaneError): Outcome => {
      const now = this.#env.now();
      return lookup.kind === 'root' ? walk.rootFailed(problem, now) : walk.entryFailed(lookup, problem, now);
    };
    try {
      await this.#pace.wait(signal);
      if (lookup.kind === 'root') return await this.#visitRoot(walk, lookup.name, signal);
      const { hash } = lookup.place;
      const known = this.#cached(hash);
      if (known !== undefined) return walk.entry(lookup, known, true);
      const entry = parseEntry(textOf(await this.#lookup(lookup.name, signal), hash));
      this.#keep(hash, entry);
      return walk.entry(lookup, entry);
    } catch (error) {
      if (isPeerlaneError(error) && !signal.aborted) return failed(error);
      // Whoever goes on later finds it where it was.
      if (lookup.kind === 'entry') walk.putBack(lookup);
      throw error;
    }
  }

  /** One that another visitor of the tree has looked up meanwhile is as good as one of its own. */
  async #visitRoot(walk: TreeWalk, name: string, signal: AbortSignal): Promise<Outcome> {
    const known = this.#roots.readSince(walk.url, walk.readAt, this.#env.now());
    if (known !== undefined) return walk.take(known);
    const outcome = walk.root(await this.#lookup(name, signal), this.#env.now());
    if (walk.read !== undefined) this.#roots.seen(walk.url, walk.read);
    return outcome;
  }

  #cached(hash: string): Entry | undefined {
    const entry = this.#cache.get(hash);
    if (entry !== undefined) this.#keep(hash, entry);
    return entry;
  }

  #keep(hash: string, entry: Entry): void {
    setLatest(this.#cache, hash, entry, this.#cacheSize);
  }

  #random(below: number): number {
    const { buffer, byteOffset } = this.#env.randomBytes(4);
    return new DataView(buffer, byteOffset, 4).getUint32(0) % below;
  }

  /** Whatever the resolver does, it ends after `timeoutMs`. */
  #lookup(name: string, signal: AbortSignal | undefined): Promise<Texts> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) {
        reject(abortedError(signal));
        return;
      }
      const over = new AbortController();
      const settle = (run: () => void): void => {
        timer.cancel();
        removeAbort();
        over.abort();
        run();
      };
      const timer = this.#env.setTimer(this.#timeoutMs, () =>
        settle(() => reject(new PeerlaneError('lookup-timeout', `no answer for ${name} in time`))),
      );
      const removeAbort = onAbort(signal, () => settle(() => reject(abortedError(signal))));
      // In a function of its own, so that a resolver that throws is as one that rejects.
      const ask = async (): Promise<Texts> =>
        checkedTexts(await this.#resolver.resolveTxt(name, over.signal));
      ask().then(
        (texts) => settle(() => resolve(texts)),
        (error) => settle(() => reject(toPeerlaneError(error, 'lookup-failed'))),
      );
    });
  }
}

function checkedTexts(texts: readonly string[]): Texts {
  if (!Array.isArray(texts)) return [];
  return texts.slice(0, MAX_TEXTS).filter((text) => typeof text === 'string');
}
