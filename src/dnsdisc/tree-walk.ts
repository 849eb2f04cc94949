/** Visiting one tree entry by entry, in random order, for as long as somebody wants records. */
import { PeerlaneError } from '../base/errors.ts';
import type { NodeRecord } from '../enr/index.ts';
import { Absences } from './absences.ts';
import type { Entry, Texts } from './entry.ts';
import { type ReadRoot, ROOT_INTERVAL_MS } from './known-roots.ts';
import { pauseAfter } from './pauses.ts';
import { rootOf, type TreeRoot } from './root.ts';
import { type Place, Subtree } from './subtree.ts';
import { misplaced } from './tree.ts';
import { formatTreeUrl, type TreeUrl } from './tree-url.ts';

/** After so many failures in a row nobody may be there: with each further one, lookups pause twice as long. */
export const FAILURES_BEFORE_PAUSE = 4;
/** After so many failures in a row the tree may have been replaced: its root is looked up. */
export const FAILURES_BEFORE_ROOT = 5;
/** Entries of a subtree that are visited in a pass, before the next begins. */
export const MAX_VISITED = 32_768;
/** Links of one tree that are followed. */
export const MAX_LINKS = 32;

/** What is to be resolved next. */
export type Lookup = { readonly kind: 'root'; readonly name: string } | EntryLookup;

export interface EntryLookup {
  readonly kind: 'entry';
  readonly name: string;
  readonly place: Place;
  readonly subtree: Subtree;
  readonly isLink: boolean;
}

/** Until that time there is nothing to resolve. */
export interface Wait {
  readonly kind: 'wait';
  readonly until: number;
}

/** What came of an answer. */
export interface Outcome {
  readonly record?: NodeRecord;
  /** Whether `links` may be others now. */
  readonly linksChanged?: true;
  /** What was wrong; the walk goes on all the same. */
  readonly problem?: PeerlaneError;
}

/** A machine: times and answers go in, lookups come out. One lookup at a time is under way. */
export class TreeWalk {
  readonly url: TreeUrl;
  #read: ReadRoot | undefined;
  readonly #newestSeq: () => bigint;
  #links: Subtree | undefined;
  #records: Subtree | undefined;
  /** Links that are known to stand in the tree; those of before stay until the new ones have been read. */
  #currentLinks: ReadonlyMap<string, TreeUrl> = new Map();
  #newLinks = new Map<string, TreeUrl>();
  #rootDueAt = Number.NEGATIVE_INFINITY;
  #rootFailures = 0;
  readonly #absences = new Absences();
  /** Lookups of entries that failed one after another. */
  #failures = 0;
  /** What would have to be looked up waits until then. */
  #lookupsDueAt = Number.NEGATIVE_INFINITY;
  #isLinkNext = true;

  /** @param newestSeq the sequence number of the newest root that anybody has seen: none below it is taken */
  constructor(url: TreeUrl, newestSeq: () => bigint = () => 0n) {
    this.url = url;
    this.#newestSeq = newestSeq;
  }

  get links(): ReadonlyMap<string, TreeUrl> {
    return this.#currentLinks;
  }

  /** The newest root. */
  get read(): ReadRoot | undefined {
    return this.#read;
  }

  /** When it was read; in the past if there is none. */
  get readAt(): number {
    return this.#read?.readAt ?? Number.NEGATIVE_INFINITY;
  }

  /**
   * @param random draws an integer from 0 to below its argument
   * @param isKnown whether the entry with this hash need not be looked up
   */
  next(now: number, random: (below: number) => number, isKnown: (hash: string) => boolean): Lookup | Wait {
    if (now >= this.#rootDueAt) return { kind: 'root', name: this.url.domain };
    const readyAt = (hash: string): number =>
      isKnown(hash) ? Number.NEGATIVE_INFINITY : Math.max(this.#lookupsDueAt, this.#absences.until(hash));
    const isReady = (hash: string): boolean => readyAt(hash) <= now;
    // Links lead to more nodes, and so are read early; taking turns, they keep no record waiting, be they many or not there.
    for (const isLink of [this.#isLinkNext, !this.#isLinkNext]) {
      const lookup = isLink ? this.#nextLink(random, isReady) : this.#nextRecord(random, isReady);
      if (lookup === undefined) continue;
      this.#isLinkNext = !isLink;
      return lookup;
    }
    const ready = [this.#links, this.#records].map((subtree) => subtree?.firstReady(readyAt));
    return { kind: 'wait', until: Math.min(this.#rootDueAt, ...ready.filter((at) => at !== undefined)) };
  }

  #nextLink(random: (below: number) => number, isReady: (hash: string) => boolean): EntryLookup | undefined {
    const place = this.#links?.take(random, isReady);
    return this.#links && place && this.#lookup(place, this.#links, true);
  }

  /** Where all that is left of a pass cannot be had for now, the next begins. A tree without any records is not read again. */
  #nextRecord(
    random: (below: number) => number,
    isReady: (hash: string) => boolean,
  ): EntryLookup | undefined {
    if (this.#records === undefined) return undefined;
    let place = this.#records.take(random, isReady);
    if (place === undefined && this.#records.leaves > 0) {
      this.#records = new Subtree(this.#records.top, MAX_VISITED);
      place = this.#records.take(random, isReady);
    }
    return place && this.#lookup(place, this.#records, false);
  }

  #lookup(place: Place, subtree: Subtree, isLink: boolean): EntryLookup {
    return { kind: 'entry', name: `${place.hash}.${this.url.domain}`, place, subtree, isLink };
  }

  /** The records at the name of the tree. */
  root(texts: Texts, now: number): Outcome {
    try {
      const root = rootOf(texts, this.url.publicKey);
      const seen = this.#newestSeq();
      const own = this.#read?.root.seq ?? 0n;
      const newest = seen > own ? seen : own;
      if (root.seq < newest) {
        throw new PeerlaneError(
          'invalid-tree',
          `the root of ${this.url.domain} is older than one that was there before`,
          { details: { seq: root.seq, newest } },
        );
      }
      return this.take({ root, readAt: now });
    } catch (error) {
      if (!(error instanceof PeerlaneError)) throw error;
      return this.rootFailed(error, now);
    }
  }

  /** A root that is no older than any that was seen. */
  take(read: ReadRoot): Outcome {
    this.#read = read;
    this.#rootFailures = 0;
    this.#rootDueAt = read.readAt + ROOT_INTERVAL_MS;
    this.#begin(read.root);
    return {};
  }

  /** What has not changed is gone on with. */
  #begin({ linksHash, recordsHash }: TreeRoot): void {
    const [areLinksNew, areRecordsNew] = [this.#links?.top !== linksHash, this.#records?.top !== recordsHash];
    if (areLinksNew) {
      this.#links = new Subtree(linksHash, MAX_VISITED);
      this.#newLinks = new Map();
    }
    if (areRecordsNew) this.#records = new Subtree(recordsHash, MAX_VISITED);
    if (!areLinksNew && !areRecordsNew) return;
    // What was missing may have come with the new root.
    this.#absences.clear();
    this.#lookupsSucceed();
  }

  #lookupsSucceed(): void {
    this.#failures = 0;
    this.#lookupsDueAt = Number.NEGATIVE_INFINITY;
  }

  /** What is known of the tree is used on. */
  rootFailed(problem: PeerlaneError, now: number): Outcome {
    this.#rootFailures++;
    this.#rootDueAt = now + pauseAfter(this.#rootFailures);
    return { problem };
  }

  /** What stands at an entry's name, its hash being right. @param isKnown it was not looked up for that */
  entry(lookup: EntryLookup, entry: Entry, isKnown = false): Outcome {
    this.#absences.ended(lookup.place.hash);
    if (!isKnown) this.#lookupsSucceed();
    const outcome = this.#visited(lookup, entry);
    const areLinksRead = lookup.subtree === this.#links && lookup.subtree.isDone && !lookup.subtree.isPartial;
    if (!areLinksRead) return outcome;
    // Only now is it known which links are gone.
    this.#currentLinks = this.#newLinks;
    return { ...outcome, linksChanged: true };
  }

  #visited({ place, subtree, isLink }: EntryLookup, entry: Entry): Outcome {
    switch (entry.kind) {
      case 'branch':
        return this.#branchFound(place, subtree, entry.children);
      case 'ignored':
        return { problem: entry.reason };
      case 'link':
        if (!isLink) return { problem: misplaced(place.hash, entry.kind) };
        return this.#linkFound(entry.url, subtree);
      case 'record':
        if (isLink) return { problem: misplaced(place.hash, entry.kind) };
        subtree.leaves++;
        return { record: entry.record };
    }
  }

  /** Told once in a pass: an honest tree may be too large for one, and what is left out comes in another. */
  #branchFound(place: Place, subtree: Subtree, children: readonly string[]): Outcome {
    const isTold = subtree.isPartial;
    if (subtree.add(place, children) || isTold) return {};
    return { problem: new PeerlaneError('invalid-tree', `${this.url.domain} is too deep or too large`) };
  }

  #linkFound(url: TreeUrl, subtree: Subtree): Outcome {
    subtree.leaves++;
    const text = formatTreeUrl(url);
    if (this.#newLinks.size < MAX_LINKS) this.#newLinks.set(text, url);
    if (this.#currentLinks.has(text) || this.#currentLinks.size >= MAX_LINKS) return {};
    this.#currentLinks = new Map([...this.#currentLinks, [text, url]]);
    return { linksChanged: true };
  }

  /** The entry could not be read: it comes again when its pause is over. */
  entryFailed(lookup: EntryLookup, problem: PeerlaneError, now: number): Outcome {
    this.putBack(lookup);
    this.#absences.failed(lookup.place.hash, now);
    this.#failures++;
    this.#lookupsDueAt = now + pauseAfter(this.#failures - FAILURES_BEFORE_PAUSE);
    if (this.#failures % FAILURES_BEFORE_ROOT === 0) {
      this.#rootDueAt = Math.min(this.#rootDueAt, this.#lookupsDueAt);
    }
    return { problem };
  }

  /** The lookup was given up: nothing is known of the entry. */
  putBack({ place, subtree }: EntryLookup): void {
    subtree.putBack(place);
  }
}
