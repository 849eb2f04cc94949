import { onAbort, throwIfAborted } from '../base/abort.ts';
import { toBareHex } from '../base/bytes.ts';
import { checkFunction, checkSignal, reading, refuseThenable } from '../base/checks.ts';
import { isPeerlaneError, PeerlaneError, toPeerlaneError } from '../base/errors.ts';
import { setLatest } from '../base/recent.ts';
import { sleep } from '../base/sleep.ts';
import { type Enode, NodeRecord, nodeIdOf } from '../enr/index.ts';
import { type KadNode, reachedNode, sameEndpoint } from '../kad/index.ts';
import { askNode, placeOf } from './crawl-asking.ts';
import {
  type CrawlConfig,
  type CrawlerOptions,
  type CrawlService,
  checkCrawlerOptions,
} from './crawl-options.ts';
import { nodeOf } from './discv4-options.ts';
import { NetworkShares } from './network-shares.ts';
import type { NodeSetEntry } from './node-set.ts';

/** Nodes that are checked at a time: one that is gone takes a second. */
export const CRAWL_WORKERS = 48;
/** When nobody at all has answered for so long, it is our own network that is away, and says nothing of nodes. */
export const OUTAGE_MS = 10_000;
/** How often it is looked whether the crawl is over, when it could be. */
const WATCH_MS = 250;
/** Nodes that are remembered beside the set, so that those which never answer are not checked again and again. */
const MAX_REMEMBERED = 100_000;

/** How far a crawl is. */
export interface CrawlStats {
  /** Nodes of the set. */
  readonly nodes: number;
  /** Nodes of the set, and those given to begin with, that are still to be checked. */
  readonly waiting: number;
  readonly checked: number;
  readonly answered: number;
  /** Nodes that have come into the set, and that have left it. */
  readonly added: number;
  readonly removed: number;
}

interface Candidate {
  readonly key: string;
  /** Where it may be, the most trusted place first. */
  readonly places: readonly KadNode[];
}

/**
 * Walks the network of discovery v4: checks the nodes of a set, those first that were not checked for the longest time, and
 * then whomever lookups lead to. A node that answers gains a point; one that does not loses half of its points, and is
 * forgotten when none is left. In a full set a node of the networks that hold the most of it gives way to one of others.
 */
export class Crawler {
  readonly #options: CrawlConfig;
  readonly #ownKey: string;
  /** The next one stands last. Nothing is added on the way: lookups are asked for one node more at a time. */
  readonly #queue: Candidate[] = [];
  /** When nodes were checked of which the set does not say it, by key; the last one stands last. */
  readonly #remembered = new Map<string, number>();
  /** Where the nodes of the set are: those that have answered, where they did. */
  readonly #shares = new NetworkShares();
  /** When the nodes were taken that are being checked, by key: at most one for each worker. */
  readonly #underWay = new Map<string, number>();
  #found: AsyncGenerator<KadNode, void, undefined> | undefined;
  #pulling: Promise<unknown> = Promise.resolve();
  #nextAt = Number.NEGATIVE_INFINITY;
  #newAt = 0;
  /** Since when nodes come from lookups alone. */
  #walksSince = Number.POSITIVE_INFINITY;
  #answeredAt = Number.NEGATIVE_INFINITY;
  #checked = 0;
  #answered = 0;
  #added = 0;
  #removed = 0;
  #isStarted = false;

  /** @throws PeerlaneError `invalid-argument`, `invalid-enode`, `invalid-record` */
  constructor(options: CrawlerOptions) {
    this.#options = checkCrawlerOptions(options);
    const { service, set, nodes, reaches } = this.#options;
    this.#ownKey = toBareHex(nodeIdOf(service.publicKey));
    for (const node of nodes) {
      const place = reachedNode(node, reaches);
      if (place !== undefined) this.#queue.push({ key: toBareHex(node.id), places: [place] });
    }
    const now = this.#options.env.unixTime();
    const checkedAt = ({ lastCheck = 0 }: NodeSetEntry): number => (lastCheck > now ? 0 : lastCheck);
    const known = [...set].sort(([, a], [, b]) => checkedAt(a) - checkedAt(b));
    for (const [key, { node }] of known) {
      const place = placeOf(node, reaches);
      this.#shares.set(key, place?.ip);
      if (place !== undefined && this.#isDue(key)) this.#queue.push({ key, places: [place] });
    }
    this.#queue.reverse();
  }

  get stats(): CrawlStats {
    return {
      nodes: this.#options.set.size,
      waiting: this.#queue.length,
      ...{ checked: this.#checked, answered: this.#answered, added: this.#added, removed: this.#removed },
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
    this.#newAt = env.now();
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
    return Math.max(this.#newAt, this.#walksSince) + this.#options.idleMs;
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
      if (key === this.#ownKey || this.#underWay.has(key) || !this.#isDue(key)) continue;
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

  #isDue(key: string): boolean {
    const { set, recheckMs, env } = this.#options;
    const rememberedAt = this.#remembered.get(key);
    if (rememberedAt !== undefined && env.now() - rememberedAt < recheckMs) return false;
    const checkedAt = set.get(key)?.lastCheck;
    const age = checkedAt === undefined ? recheckMs : env.unixTime() - checkedAt;
    // A time that has not come yet is of a clock that was wrong.
    return age < 0 || age >= recheckMs;
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
      this.#alive(key, place, answer);
      return;
    }
    if (isAsked) this.#silent(key);
    else this.#remember(key);
  }

  #alive(key: string, place: KadNode, found: NodeRecord | Enode): void {
    const { set, env, limit, onAnswer } = this.#options;
    this.#checked++;
    this.#answered++;
    this.#answeredAt = env.now();
    const now = Math.floor(env.unixTime());
    const known = set.get(key);
    if (known === undefined && set.size >= limit && !this.#makesRoom(place)) {
      this.#remember(key);
      return;
    }
    if (known === undefined) {
      this.#added++;
      this.#newAt = env.now();
      this.#remembered.delete(key);
    }
    const entry: NodeSetEntry = {
      node: newer(known?.node, found),
      score: Math.min(Number.MAX_SAFE_INTEGER, (known?.score ?? 0) + 1),
      firstResponse: known?.firstResponse ?? now,
      lastResponse: now,
      lastCheck: now,
      ...(known?.hello === undefined ? {} : { hello: known.hello }),
    };
    set.set(key, entry);
    this.#shares.set(key, place.ip);
    onAnswer(place, entry);
  }

  /** Whether a node of a network that holds more of the full set has left it for a newcomer: the one with the least score. */
  #makesRoom(newcomer: KadNode): boolean {
    const { set } = this.#options;
    let [leaving, least] = ['', Number.POSITIVE_INFINITY];
    for (const key of this.#shares.givingWayTo(newcomer.ip) ?? []) {
      const score = set.get(key)?.score ?? 0;
      if (score <= least) [leaving, least] = [key, score];
    }
    if (!set.delete(leaving)) return false;
    this.#shares.delete(leaving);
    this.#removed++;
    this.#remember(leaving);
    return true;
  }

  #silent(key: string): void {
    const { set, env } = this.#options;
    this.#checked++;
    const known = set.get(key);
    if (known !== undefined && env.now() - this.#answeredAt > OUTAGE_MS) {
      this.#remember(key);
      return;
    }
    const score = Math.floor((known?.score ?? 0) / 2);
    if (known !== undefined && score > 0) {
      set.set(key, { ...known, score, lastCheck: Math.floor(env.unixTime()) });
      return;
    }
    if (set.delete(key)) this.#removed++;
    this.#shares.delete(key);
    this.#remember(key);
  }

  #remember(key: string): void {
    setLatest(this.#remembered, key, this.#options.env.now(), MAX_REMEMBERED);
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

/** A record never gives way to an older one, or to none. */
function newer(known: NodeRecord | Enode | undefined, found: NodeRecord | Enode): NodeRecord | Enode {
  if (!(known instanceof NodeRecord)) return found;
  return found instanceof NodeRecord && found.seq > known.seq ? found : known;
}
