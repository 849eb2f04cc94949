/** Visiting one tree entry by entry, in random order, for as long as somebody wants records. */
import { PeerlaneError } from '../base/errors.ts';
import type { NodeRecord } from '../enr/index.ts';
import type { Entry, Texts } from './entry.ts';
import { rootOf } from './root.ts';
import { type Place, Subtree } from './subtree.ts';
import { misplaced } from './tree.ts';
import { formatTreeUrl, type TreeUrl } from './tree-url.ts';

/** How often the root is looked up. */
export const ROOT_INTERVAL_MS = 30 * 60 * 1_000;
/** The pause after a failure; it doubles with each that follows. */
export const FIRST_PAUSE_MS = 1_000;
export const LONGEST_PAUSE_MS = 5 * 60 * 1_000;
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

/** What came of an answer. */
export interface Outcome {
  readonly record?: NodeRecord;
  /** Whether `links` may be others now. */
  readonly linksChanged?: true;
  /** What was wrong; the walk goes on all the same. */
  readonly problem?: PeerlaneError;
}

/** The pause after so many failures in a row, in ms. */
export function pauseAfter(failures: number): number {
  return failures === 0 ? 0 : Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(failures - 1, 30));
}

/** A machine: times and answers go in, lookups come out. One lookup at a time is under way. */
export class TreeWalk {
  readonly url: TreeUrl;
  /** Of the newest root. */
  #seq = 0n;
  readonly #newestSeq: () => bigint;
  #links: Subtree | undefined;
  #records: Subtree | undefined;
  /** Links that are known to stand in the tree; those of before stay until the new ones have been read. */
  #currentLinks: ReadonlyMap<string, TreeUrl> = new Map();
  #newLinks = new Map<string, TreeUrl>();
  #rootDueAt = Number.NEGATIVE_INFINITY;
  #rootFailures = 0;
  #entriesDueAt = Number.NEGATIVE_INFINITY;
  #entryFailures = 0;

  /** @param newestSeq the sequence number of the newest root that anybody has seen: none below it is taken */
  constructor(url: TreeUrl, newestSeq: () => bigint = () => 0n) {
    this.url = url;
    this.#newestSeq = newestSeq;
  }

  get links(): ReadonlyMap<string, TreeUrl> {
    return this.#currentLinks;
  }

  /** Of the newest root. */
  get seq(): bigint {
    return this.#seq;
  }

  /** When there is something to look up, which may be in the past. */
  get dueAt(): number {
    return this.#entriesLeft ? Math.min(this.#rootDueAt, this.#entriesDueAt) : this.#rootDueAt;
  }

  /** @param random draws an integer from 0 to below its argument */
  next(now: number, random: (below: number) => number): Lookup | undefined {
    const { domain } = this.url;
    if (now >= this.#rootDueAt) return { kind: 'root', name: domain };
    if (now < this.#entriesDueAt || !this.#entriesLeft) return undefined;
    // dnsdisc.md, "Why does the link subtree exist?": who wants many nodes reads the links first.
    const isLink = this.#links?.isDone === false;
    if (!isLink && this.#records?.isDone === true)
      this.#records = new Subtree(this.#records.top, MAX_VISITED);
    const subtree = isLink ? this.#links : this.#records;
    const place = subtree?.take(random);
    if (subtree === undefined || place === undefined) return undefined;
    return { kind: 'entry', name: `${place.hash}.${domain}`, place, subtree, isLink };
  }

  /** Whether there are entries to visit under the root that is known. A tree without any records is not read again. */
  get #entriesLeft(): boolean {
    if (this.#links?.isDone === false) return true;
    return this.#records !== undefined && (!this.#records.isDone || this.#records.leaves > 0);
  }

  /** The records at the name of the tree. */
  root(texts: Texts, now: number): Outcome {
    try {
      const root = rootOf(texts, this.url.publicKey);
      const seen = this.#newestSeq();
      const newest = seen > this.#seq ? seen : this.#seq;
      if (root.seq < newest) {
        throw new PeerlaneError(
          'invalid-tree',
          `the root of ${this.url.domain} is older than one that was there before`,
          { details: { seq: root.seq, newest } },
        );
      }
      this.#seq = root.seq;
      this.#rootFailures = 0;
      this.#rootDueAt = now + ROOT_INTERVAL_MS;
      // What could not be read, or was empty, is tried again.
      if (this.#links?.top !== root.linksHash || (this.#links.isDone && this.#links.isPartial)) {
        this.#links = new Subtree(root.linksHash, MAX_VISITED);
        this.#newLinks = new Map();
      }
      if (this.#records?.top !== root.recordsHash || this.#records.isDone) {
        this.#records = new Subtree(root.recordsHash, MAX_VISITED);
      }
      return {};
    } catch (error) {
      if (!(error instanceof PeerlaneError)) throw error;
      return this.rootFailed(error, now);
    }
  }

  /** What is known of the tree is used on. */
  rootFailed(problem: PeerlaneError, now: number): Outcome {
    this.#rootFailures++;
    this.#rootDueAt = now + pauseAfter(this.#rootFailures);
    return { problem };
  }

  /** What stands at an entry's name, its hash being right. @param isKnown it was not looked up for that */
  entry(lookup: EntryLookup, entry: Entry, isKnown = false): Outcome {
    if (!isKnown) {
      this.#entryFailures = 0;
      this.#entriesDueAt = Number.NEGATIVE_INFINITY;
    }
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
        if (subtree.add(place, entry.children)) return {};
        return { problem: new PeerlaneError('invalid-tree', `${this.url.domain} is too deep or too large`) };
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

  #linkFound(url: TreeUrl, subtree: Subtree): Outcome {
    subtree.leaves++;
    const text = formatTreeUrl(url);
    if (this.#newLinks.size < MAX_LINKS) this.#newLinks.set(text, url);
    if (this.#currentLinks.has(text) || this.#currentLinks.size >= MAX_LINKS) return {};
    this.#currentLinks = new Map([...this.#currentLinks, [text, url]]);
    return { linksChanged: true };
  }

  /** The entry could not be read. It comes again after all others, unless that has been tried often enough. */
  entryFailed({ place, subtree }: EntryLookup, problem: PeerlaneError, now: number): Outcome {
    subtree.putBack(place);
    this.#entryFailures++;
    this.#entriesDueAt = now + pauseAfter(this.#entryFailures);
    const isInVain = subtree === this.#records && subtree.isDone && subtree.leaves === 0;
    if (this.#entryFailures % FAILURES_BEFORE_ROOT === 0 || isInVain) {
      this.#rootDueAt = Math.min(this.#rootDueAt, this.#entriesDueAt);
    }
    return { problem };
  }
}
