import { onAbort, throwIfAborted } from '../base/abort.ts';
import { toBareHex } from '../base/bytes.ts';
import { checkFunction, checkSignal, reading, refuseThenable } from '../base/checks.ts';
import { isPeerlaneError, PeerlaneError, toPeerlaneError } from '../base/errors.ts';
import { sleep } from '../base/sleep.ts';
import { nodeIdOf } from '../enr/index.ts';
import { type KadNode, reachedNode, sameEndpoint } from '../kad/index.ts';
import { askNode, placeOf } from './crawl-asking.ts';
import { CrawlChecks, type CrawlStats } from './crawl-checks.ts';
import {
  type CrawlConfig,
  type CrawlerOptions,
  type CrawlService,
  checkCrawlerOptions,
} from './crawl-options.ts';
import type { NodeSetEntry } from './node-set.ts';
import { nodeOf } from './service-options.ts';

/** Nodes that are checked at a time: one that is gone takes a second. */
export const CRAWL_WORKERS = 48;
/** How often it is looked whether the crawl is over, when it could be. */
const WATCH_MS = 250;

interface Candidate {
  readonly key: string;
  /** Where it may be, the most trusted place first. */
  readonly places: readonly KadNode[];
}

/**
 * Walks a network of discovery, v4 or v5: checks the nodes of a set, those first that were not checked for the longest time, and
 * then whomever lookups lead to. A node that answers gains a point; one that does not loses half of its points, and is
 * forgotten when none is left. Of a set with more nodes than it may have, those with the least scores leave it at the start,
 * each network having its share. In a full set a node of the networks that hold the most of it gives way to one of others.
 */
export class Crawler {
  readonly #options: CrawlConfig;
  readonly #ownKey: string;
  readonly #checks: CrawlChecks;
  /** The next one stands last. Nothing is added on the way: lookups are asked for one node more at a time. */
  readonly #queue: Candidate[] = [];
  /** When the nodes were taken that are being checked, by key: at most one for each worker. */
  readonly #underWay = new Map<string, number>();
  #found: AsyncGenerator<KadNode, void, undefined> | undefined;
  #pulling: Promise<unknown> = Promise.resolve();
  #nextAt = Number.NEGATIVE_INFINITY;
  #startedAt = 0;
  /** Since when nodes come from lookups alone. */
  #walksSince = Number.POSITIVE_INFINITY;
  #isStarted = false;

  /** @throws PeerlaneError `invalid-argument`, `invalid-enode`, `invalid-record` */
  constructor(options: CrawlerOptions) {
    this.#options = checkCrawlerOptions(options);
    const { service, set, nodes, reaches } = this.#options;
    this.#ownKey = toBareHex(nodeIdOf(service.publicKey));
    this.#checks = new CrawlChecks(this.#options);
    for (const node of nodes) {
      const place = reachedNode(node, reaches);
      if (place !== undefined) this.#queue.push({ key: toBareHex(node.id), places: [place] });
    }
    const now = this.#options.env.unixTime();
    const checkedAt = ({ lastCheck = 0 }: NodeSetEntry): number => (lastCheck > now ? 0 : lastCheck);
    const known = [...set].sort(([, a], [, b]) => checkedAt(a) - checkedAt(b));
    for (const [key, { node }] of known) {
      const place = placeOf(node, reaches);
      this.#checks.known(key, place?.ip);
      if (place !== undefined && this.#checks.isDue(key)) this.#queue.push({ key, places: [place] });
    }
    this.#queue.reverse();
  }

  get stats(): CrawlStats {
    return {
      nodes: this.#options.set.size,
      waiting: this.#queue.length,
      ...this.#checks.counts,
    };
  }

  /**
   * Crawls until no node that it did not know has answered for `idleMs`, or the signal says so, which is no error: a crawl
   * ends somewhere. Those that others name meanwhile, without an end and without an answer, do not keep it going.
   * @throws PeerlaneError `closed` when the service is, or the crawl has been started before; `invalid-argument`;
   * what the service throws (`CrawlService`), `internal` for what is no PeerlaneError
   */
  async run(signal?: AbortSignal): Promise<CrawlStats> {
    checkSignal(signal);
    if (this.#isStarted) throw new PeerlaneError('closed', 'a crawl is started once');
    this.#isStarted = true;
    const { env, service, idleMs } = this.#options;
    // One for each worker, as services are others' code: Node takes more than ten listeners of one for a leak, and says so.
    const aborts = Array.from({ length: CRAWL_WORKERS + 1 }, () => new AbortController());
    const end = (): void => {
      for (const abort of aborts) abort.abort();
    };
    const removeAbort = onAbort(signal, end);
    const [ofLookups, ...ofWorkers] = aborts;
    if (ofLookups === undefined) return this.stats;
    this.#startedAt = env.now();
    this.#checks.trim((node) => placeOf(node)?.ip);
    this.#found = foundBy(service, ofLookups.signal);
    const watch = (): void => {
      const rest = this.#quietAt - env.now();
      if (rest <= 0 && this.#isNobodyAwaited) end();
      else timer = env.setTimer(Math.max(WATCH_MS, Math.min(rest, idleMs)), watch);
    };
    let timer = env.setTimer(idleMs, watch);
    try {
      await Promise.all(ofWorkers.map((abort) => this.#work(abort.signal, end)));
    } finally {
      timer.cancel();
      removeAbort();
      end();
      await this.#found.return();
    }
    return this.stats;
  }

  /** From when on it is quiet, unless a node answers before that it did not know. */
  get #quietAt(): number {
    return Math.max(this.#startedAt, this.#checks.newAt, this.#walksSince) + this.#options.idleMs;
  }

  /** Whether none is being checked that was taken before it was quiet: others may go on naming nodes for ever. */
  get #isNobodyAwaited(): boolean {
    return [...this.#underWay.values()].every((takenAt) => takenAt >= this.#quietAt);
  }

  /** @param end ends the other workers too */
  async #work(signal: AbortSignal, end: () => void): Promise<void> {
    try {
      while (!signal.aborted) {
        const candidate = await this.#next(signal);
        if (candidate === undefined) return;
        try {
          await this.#pace(signal);
          await this.#check(candidate, signal);
        } finally {
          this.#underWay.delete(candidate.key);
        }
      }
    } catch (error) {
      const isEnd = signal.aborted && isPeerlaneError(error, 'aborted');
      end();
      if (!isEnd) throw toPeerlaneError(error);
    }
  }

  /** The next node that is due. */
  async #next(signal: AbortSignal): Promise<Candidate | undefined> {
    for (;;) {
      const known = this.#queue.pop();
      if (known === undefined) this.#walksSince = Math.min(this.#walksSince, this.#options.env.now());
      const candidate = known ?? (await this.#pull(signal));
      if (candidate === undefined) return undefined;
      const { key } = candidate;
      if (key === this.#ownKey || this.#underWay.has(key) || !this.#checks.isDue(key)) continue;
      this.#underWay.set(key, this.#options.env.now());
      return candidate;
    }
  }

  /** One more node that a lookup has led to: one worker waits for it at a time. */
  async #pull(signal: AbortSignal): Promise<Candidate | undefined> {
    const pulled = this.#pulling.then(async () => {
      throwIfAborted(signal);
      return await this.#found?.next();
    });
    this.#pulling = pulled.catch(() => undefined);
    const result = await pulled;
    if (result === undefined || result.done === true) return undefined;
    const found = nodeOf(result.value);
    const key = toBareHex(found.id);
    const known = this.#options.set.get(key);
    // What lookups say of a known node is anybody's word; where it has answered comes first.
    const place = known === undefined ? undefined : placeOf(known.node, this.#options.reaches);
    const isMoved = place !== undefined && !sameEndpoint(place, found);
    return { key, places: isMoved ? [place, found] : [found] };
  }

  async #pace(signal: AbortSignal): Promise<void> {
    const { env, rate } = this.#options;
    const now = env.now();
    const at = Math.max(now, this.#nextAt);
    this.#nextAt = at + 1_000 / rate;
    if (at > now) await sleep(env, at - now, signal);
  }

  async #check({ key, places }: Candidate, signal: AbortSignal): Promise<void> {
    let isAsked = false;
    for (const place of places) {
      const answer = await askNode(this.#options.service, place, signal);
      if (answer === 'unasked') continue;
      isAsked = true;
      if (answer === 'silent') continue;
      this.#checks.answered(key, place, answer);
      return;
    }
    if (isAsked) this.#checks.silent(key);
    else this.#checks.passedOver(key);
  }
}

/** @throws PeerlaneError `invalid-argument` when the service gives no generator */
function foundBy(service: CrawlService, signal: AbortSignal): AsyncGenerator<KadNode, void, undefined> {
  return reading('what service.random gives', () => {
    const found = service.random({ signal });
    refuseThenable('service.random', found);
    checkFunction('service.random().next', found?.next);
    checkFunction('service.random().return', found?.return);
    return found;
  });
}
