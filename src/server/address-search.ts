/** Asks others where nodes are that cannot be reached where they were named. */
import type { Env } from '../base/env.ts';
import { type PeerlaneError, toPeerlaneError } from '../base/errors.ts';
import type { NodeRecord } from '../enr/index.ts';
import { type Backoff, MAX_DIAL_BACKOFF_MS } from './dial-backoff.ts';
import { type DialTarget, movedTo } from './dial-target.ts';

/** A node is looked for again after this, then after twice as long each time it was not found elsewhere. */
export const SEARCH_INTERVAL_MS = 60_000;
/** Nodes that are looked for at a time: each is a lookup in the network. */
export const MAX_SEARCHES = 2;

/** The newest record of a node, by discovery; `undefined` when nobody has one. */
export type ResolveRecord = (publicKey: Uint8Array, signal: AbortSignal) => Promise<NodeRecord | undefined>;

export interface AddressSearchOptions {
  readonly env: Pick<Env, 'now'>;
  readonly resolve: ResolveRecord;
  /** A node is elsewhere, too. */
  readonly found: (key: string, target: DialTarget) => void;
  /** Its search came to nothing. */
  readonly failed: (target: DialTarget, error: PeerlaneError | undefined) => void;
}

export class AddressSearch {
  readonly #options: AddressSearchOptions;
  readonly #ended = new AbortController();
  readonly #searching = new Set<string>();
  /** Nodes that are kept only: forgotten with them. */
  readonly #waits = new Map<string, Backoff>();

  constructor(options: AddressSearchOptions) {
    this.#options = options;
  }

  /** Looks for a node that could not be reached, unless that was done a short time ago. */
  want(key: string, target: DialTarget): void {
    const { env } = this.#options;
    const { until = Number.NEGATIVE_INFINITY, failures = 0 } = this.#waits.get(key) ?? {};
    const isBusy = this.#searching.has(key) || this.#searching.size >= MAX_SEARCHES;
    if (isBusy || until > env.now() || this.#ended.signal.aborted) return;
    const ms = Math.min(MAX_DIAL_BACKOFF_MS, SEARCH_INTERVAL_MS * 2 ** failures);
    this.#waits.set(key, { until: env.now() + ms, failures: failures + 1 });
    void this.#search(key, target);
  }

  /** The node was reached, or is not wanted any more. */
  forget(key: string): void {
    this.#waits.delete(key);
  }

  close(): void {
    this.#ended.abort();
  }

  async #search(key: string, target: DialTarget): Promise<void> {
    const { resolve, found, failed } = this.#options;
    const { signal } = this.#ended;
    this.#searching.add(key);
    try {
      const record = await resolve(target.publicKey, signal);
      if (signal.aborted || !this.#waits.has(key)) return;
      const moved = record && movedTo(target, record);
      if (moved === undefined) failed(target, undefined);
      else found(key, moved);
    } catch (error) {
      if (!signal.aborted) failed(target, toPeerlaneError(error));
    } finally {
      this.#searching.delete(key);
    }
  }
}
