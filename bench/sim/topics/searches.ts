/** Searches by random nodes, and what they come to. */
import { toBareHex } from '../../../src/base/bytes.ts';
import { F_LOOKUP } from '../../../src/discv5/topics/index.ts';
import type { Random } from '../random.ts';
import { type Spread, spreadOf } from './figures.ts';
import type { TopicNetwork } from './network.ts';
import type { HonestPeer } from './peer.ts';
import { runSearch, type SearchOutcome } from './searching.ts';

/** From the beginning of one search to that of the next. */
const GAP_MS = 100;
/** A search of 256 registrars none of whom answers takes less. */
const PATIENCE_MS = 5 * 60_000;

export interface SearchOptions {
  readonly topic: Uint8Array;
  readonly count: number;
  readonly fLookup: number | undefined;
}

/** Averages of those that ended; NaN where there is nothing that they would be of. */
export interface SearchFigures {
  readonly ended: number;
  /** Nodes that one found; and the part of the searches that found as many as they looked for. */
  readonly found: number;
  readonly enough: number;
  /** The part of what was found that is the attacker's, and that has left. */
  readonly sybils: number;
  readonly dead: number;
  /** The part of the searches that found nobody but the attacker, or nobody. */
  readonly without: number;
  /** Honest advertisers that at least one search found, and how often the one that was found most: as a part of all searches. */
  readonly distinct: number;
  readonly favourite: number;
  /** Milliseconds until the end, and until the first was found. */
  readonly ms: Spread;
  readonly firstMs: Spread;
  readonly requests: number;
  readonly packets: number;
  readonly bytes: number;
}

export class Searches {
  readonly #network: TopicNetwork;
  readonly #random: Random;

  constructor(network: TopicNetwork, random: Random) {
    this.#network = network;
    this.#random = random;
  }

  run({ topic, count, fLookup }: SearchOptions): SearchFigures {
    const { env } = this.#network;
    const outcomes: SearchOutcome[] = [];
    const searchers: HonestPeer[] = [];
    while (searchers.length < count) {
      const searcher = this.#random.pick(this.#network.honest);
      searchers.push(searcher);
      runSearch(searcher, { topic, fLookup, done: (outcome) => outcomes.push(outcome) });
      env.advance(GAP_MS);
    }
    const isOver = (): boolean => outcomes.length >= searchers.filter((each) => each.isRunning).length;
    for (let waited = 0; !isOver() && waited < PATIENCE_MS; waited += 1_000) env.advance(1_000);
    return this.#figuresOf(outcomes, fLookup ?? F_LOOKUP);
  }

  #figuresOf(outcomes: readonly SearchOutcome[], wanted: number): SearchFigures {
    const sum = (of: (outcome: SearchOutcome) => number) => {
      return outcomes.reduce((total, outcome) => total + of(outcome), 0);
    };
    const mean = (of: (outcome: SearchOutcome) => number) => sum(of) / outcomes.length;
    const all = sum(({ found }) => found.length);
    const isSybil = (node: SearchOutcome['found'][number]) => this.#network.peerOf(node)?.isSybil ?? false;
    const counts = new Map<string, number>();
    for (const node of outcomes.flatMap(({ found }) => found)) {
      if (isSybil(node)) continue;
      const key = toBareHex(node.id);
      counts.set(key, (counts.get(key) ?? 0) + 1);
    }
    return {
      ended: outcomes.length,
      found: mean(({ found }) => found.length),
      enough: mean(({ found }) => (found.length >= wanted ? 1 : 0)),
      sybils: sum(({ found }) => found.filter(isSybil).length) / all,
      dead: sum(({ found }) => found.filter((node) => this.#network.peerOf(node) === undefined).length) / all,
      without: mean(({ found }) => (found.every(isSybil) ? 1 : 0)),
      distinct: counts.size,
      favourite: Math.max(0, ...counts.values()) / outcomes.length,
      ms: spreadOf(outcomes.map(({ ms }) => ms)),
      firstMs: spreadOf(outcomes.map(({ firstMs }) => firstMs)),
      requests: mean(({ tally }) => tally.requests),
      packets: mean(({ tally }) => tally.packets),
      bytes: mean(({ tally }) => tally.bytes),
    };
  }
}
