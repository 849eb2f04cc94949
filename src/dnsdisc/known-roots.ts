import { setLatest } from '../base/recent.ts';
import type { TreeRoot } from './root.ts';
import { formatTreeUrl, type TreeUrl } from './tree-url.ts';

/** How often the root of a tree is looked up. */
export const ROOT_INTERVAL_MS = 30 * 60 * 1_000;
/** Trees whose newest roots are remembered. */
export const MAX_KNOWN_TREES = 256;

/** A root that has been verified. */
export interface ReadRoot {
  readonly root: TreeRoot;
  /** Milliseconds of `Env.now`; not after it was looked up. */
  readonly readAt: number;
}

/** The newest roots that a client has seen, for all who visit the trees. */
export class KnownRoots {
  readonly #known = new Map<string, ReadRoot>();

  /** The sequence number of the newest root of the tree; zero without one. */
  seqOf(url: TreeUrl): bigint {
    return this.#known.get(formatTreeUrl(url))?.root.seq ?? 0n;
  }

  seen(url: TreeUrl, read: ReadRoot): void {
    const text = formatTreeUrl(url);
    const known = this.#known.get(text);
    const isOlder = known !== undefined && read.root.seq < known.root.seq;
    setLatest(this.#known, text, isOlder ? known : read, MAX_KNOWN_TREES);
  }

  /** The newest root, if it was read after `since`, and is not due to be looked up again. */
  readSince(url: TreeUrl, since: number, now: number): ReadRoot | undefined {
    const known = this.#known.get(formatTreeUrl(url));
    if (known === undefined || known.readAt <= since || now - known.readAt >= ROOT_INTERVAL_MS)
      return undefined;
    return known;
  }
}
