/** What the checks of a crawl make of its set. */
import { setLatest } from '../base/recent.ts';
import { type Enode, NodeRecord } from '../enr/index.ts';
import type { KadNode } from '../kad/index.ts';
import type { CrawlConfig } from './crawl-options.ts';
import { beyondShare } from './fair-share.ts';
import { NetworkShares } from './network-shares.ts';
import type { NodeSetEntry } from './node-set.ts';

/** When nobody at all has answered for so long, it is our own network that is away, and says nothing of nodes. */
export const OUTAGE_MS = 10_000;
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

/** How often nodes were checked, and what came of it. */
type CrawlCounts = Omit<CrawlStats, 'nodes' | 'waiting'>;

/** Changes a set by what comes of each check: scores, times, and which nodes are in it. */
export class CrawlChecks {
  readonly #options: Pick<CrawlConfig, 'set' | 'limit' | 'recheckMs' | 'onAnswer' | 'env'>;
  /** When nodes were checked of which the set does not say it, by key; the last one stands last. */
  readonly #remembered = new Map<string, number>();
  /** Where the nodes of the set are: those that have answered, where they did. */
  readonly #shares = new NetworkShares();
  #newAt = Number.NEGATIVE_INFINITY;
  #answeredAt = Number.NEGATIVE_INFINITY;
  #checked = 0;
  #answered = 0;
  #added = 0;
  #removed = 0;

  constructor(options: Pick<CrawlConfig, 'set' | 'limit' | 'recheckMs' | 'onAnswer' | 'env'>) {
    this.#options = options;
  }

  get counts(): CrawlCounts {
    return { checked: this.#checked, answered: this.#answered, added: this.#added, removed: this.#removed };
  }

  /** When a node has answered that the set did not have; in the past if none has. */
  get newAt(): number {
    return this.#newAt;
  }

  /** A node of the set is there; undefined: nobody knows where. */
  known(key: string, ip: string | undefined): void {
    this.#shares.set(key, ip);
  }

  /** Has those nodes leave the set that are too many. @param hostOf where a node is, if that is known */
  trim(hostOf: (node: NodeRecord | Enode) => string | undefined): void {
    const { set, limit } = this.#options;
    if (set.size <= limit) return;
    const nodes = [...set].map(([key, { node, score }]) => ({ key, host: hostOf(node), score }));
    for (const key of beyondShare(nodes, limit)) this.#leaves(key);
  }

  /** Whether the node is to be checked again. */
  isDue(key: string): boolean {
    const { set, recheckMs, env } = this.#options;
    const rememberedAt = this.#remembered.get(key);
    if (rememberedAt !== undefined && env.now() - rememberedAt < recheckMs) return false;
    const checkedAt = set.get(key)?.lastCheck;
    const age = checkedAt === undefined ? recheckMs : env.unixTime() - checkedAt;
    // A time that has not come yet is of a clock that was wrong.
    return age < 0 || age >= recheckMs;
  }

  /** The node has answered there. */
  answered(key: string, place: KadNode, found: NodeRecord | Enode): void {
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
    return this.#leaves(leaving);
  }

  /** Whether the node was in the set, which has no room for it. */
  #leaves(key: string): boolean {
    if (!this.#options.set.delete(key)) return false;
    this.#shares.delete(key);
    this.#removed++;
    this.#remember(key);
    return true;
  }

  /** The node has not answered where it was asked. */
  silent(key: string): void {
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

  /** It could not be asked. */
  passedOver(key: string): void {
    this.#remember(key);
  }

  /** The set does not say when the node was checked. */
  #remember(key: string): void {
    setLatest(this.#remembered, key, this.#options.env.now(), MAX_REMEMBERED);
  }
}

/** A record never gives way to an older one, or to none. */
function newer(known: NodeRecord | Enode | undefined, found: NodeRecord | Enode): NodeRecord | Enode {
  if (!(known instanceof NodeRecord)) return found;
  return found instanceof NodeRecord && found.seq > known.seq ? found : known;
}
