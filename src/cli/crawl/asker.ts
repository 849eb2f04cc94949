/** Whom a crawl asks with: one version of discovery, or both at once. */
import { toBareHex } from '../../base/bytes.ts';
import { isPeerlaneError } from '../../base/errors.ts';
import { setLatest } from '../../base/recent.ts';
import type { NodeRecord } from '../../enr/index.ts';
import type { KadNode } from '../../kad/index.ts';
import { isOfOneNode } from '../../server/crawl-asking.ts';
import type { CrawlService } from '../../server/crawl-options.ts';
import { MAX_NODE_SET_NODES } from '../../server/node-set.ts';
import type { RunningVersions } from '../../server/running-versions.ts';
import type { AskingService } from '../services.ts';
import { DISCOVERY_VERSIONS, type DiscoveryVersion } from '../versions.ts';

/** How many nodes have answered by each version, and by `both`, where both were asked. */
export type VersionCounts = { readonly [Version in DiscoveryVersion | 'both']?: number };

interface Call {
  readonly signal: AbortSignal;
}

type Found = AsyncGenerator<KadNode, void, undefined>;

/** Asks each node by all versions that run. It counts as silent only when it is so by each. */
export class CrawlAsker implements CrawlService {
  readonly publicKey: Uint8Array;
  readonly #services: readonly (readonly [DiscoveryVersion, AskingService])[];
  /** By which versions nodes have answered, by key; the latest stand last. */
  readonly #answered = new Map<string, ReadonlySet<DiscoveryVersion>>();

  constructor(running: RunningVersions) {
    this.#services = DISCOVERY_VERSIONS.flatMap((version) => {
      const service = running[version];
      return service === undefined ? [] : [[version, service] as const];
    });
    this.publicKey = this.#any.publicKey;
  }

  get #any(): AskingService {
    const service = this.#services[0]?.[1];
    if (service === undefined) throw new TypeError('no version of discovery runs');
    return service;
  }

  get counts(): VersionCounts {
    const answered = [...this.#answered.values()];
    const counts = this.#services.map(([version]) => [
      version,
      answered.filter((versions) => versions.has(version)).length,
    ]);
    if (this.#services.length < 2) return Object.fromEntries(counts);
    return { ...Object.fromEntries(counts), both: answered.filter(({ size }) => size > 1).length };
  }

  /** All send from one socket. */
  reaches(node: KadNode): boolean {
    return this.#any.reaches(node);
  }

  /** Nodes that lookups of any version lead to, as they come. */
  async *random(options: Call): Found {
    const sources = this.#services.map(([, service]) => service.random(options));
    // Whose turn was the longest ago stands first.
    const waiting = new Map(sources.map((source) => [source, nextOf(source)]));
    try {
      while (waiting.size > 0) {
        const { source, result } = await Promise.race(waiting.values());
        waiting.delete(source);
        if (result.done === true) continue;
        waiting.set(source, nextOf(source));
        yield result.value;
      }
    } finally {
      await Promise.all(sources.map((source) => source.return()));
    }
  }

  async requestRecord(node: KadNode, options: Call): Promise<NodeRecord> {
    const records = await this.#ask(node, (service) => service.requestRecord(node, options));
    return records.reduce((a, b) => (b.seq > a.seq ? b : a));
  }

  async ping(node: KadNode, options: Call & { readonly named: true }): Promise<void> {
    await this.#ask(node, async (service) => void (await service.ping(node, options)));
  }

  /** What those versions give that the node speaks, one at least. */
  async #ask<T>(node: KadNode, ask: (service: AskingService) => Promise<T>): Promise<T[]> {
    const answers = await Promise.allSettled(this.#services.map(([, service]) => ask(service)));
    const given: T[] = [];
    const failures: unknown[] = [];
    answers.forEach((answer, i) => {
      const version = this.#services[i]?.[0];
      if (answer.status === 'fulfilled') given.push(answer.value);
      else failures.push(answer.reason);
      const isThere = answer.status === 'fulfilled' || isPeerlaneError(answer.reason, 'invalid-record');
      if (isThere && version !== undefined) this.#note(node, version);
    });
    const grave = failures.find((failure) => !isOfOneNode(failure));
    if (grave === undefined && given.length > 0) return given;
    throw (
      grave ?? failures.find((failure) => isPeerlaneError(failure, 'invalid-record')) ?? unasked(failures)
    );
  }

  #note({ id }: KadNode, version: DiscoveryVersion): void {
    const key = toBareHex(id);
    const versions = new Set(this.#answered.get(key)).add(version);
    setLatest(this.#answered, key, versions, MAX_NODE_SET_NODES);
  }
}

/** The source with what it gives next. */
function nextOf(
  source: Found,
): Promise<{ readonly source: Found; readonly result: IteratorResult<KadNode, void> }> {
  const next = source.next().then((result) => ({ source, result }));
  // Nobody may be waiting for it any more when the crawl ends.
  next.catch(() => undefined);
  return next;
}

/** A node that one version could not even ask is not said to be silent. */
function unasked(failures: readonly unknown[]): unknown {
  return failures.find((failure) => !isPeerlaneError(failure, 'request-timeout')) ?? failures[0];
}
