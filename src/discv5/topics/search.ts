import { toBareHex } from '../../base/bytes.ts';
import { checkInteger } from '../../base/checks.ts';
import type { Env } from '../../base/env.ts';
import { randomBelow } from '../../base/random-numbers.ts';
import { shuffledNumbers } from '../../base/shuffled.ts';
import { endpointsOfRecord, type NodeRecord } from '../../enr/index.ts';
import {
  type KadNode,
  NetworkCounts,
  networksOf,
  newestRecord,
  nodeOfRecord,
  sameEndpoint,
} from '../../kad/index.ts';
import type { TopicNode } from './capability.ts';
import {
  F_LOOKUP,
  MAX_FOUND_AGAIN,
  MAX_SEARCH_ASKED,
  NETWORK_ADS_PER_TOPIC,
  NETWORK_FOUND_SHARE,
  SEARCH_ALPHA,
  type TopicParameters,
  topicParameters,
  WIDE_NETWORK_FOUND_SHARE,
} from './parameters.ts';
import type { ServiceTable } from './service-table.ts';

export interface SearchOptions {
  /** Of the topic that is searched. What is learned on the way goes into it. */
  readonly table: ServiceTable;
  /** Our node id: we do not find ourselves. */
  readonly localId: Uint8Array;
  readonly randomBytes: Env['randomBytes'];
  /** How many advertisers are enough. Default: 30. */
  readonly fLookup?: number | undefined;
  readonly parameters?: Partial<TopicParameters> | undefined;
}

/** A TOPICQUERY request that is to be sent. */
export interface QueryToSend {
  readonly node: TopicNode;
  readonly topic: Uint8Array;
  readonly distances: readonly number[];
}

/** All answers to one TOPICQUERY. */
export interface QueryAnswer {
  /** Of TOPICNODES. */
  readonly advertisers: readonly NodeRecord[];
  /** Of NODES. */
  readonly auxiliary: readonly KadNode[];
}

/** An advertiser that was found. */
interface FoundAdvertiser {
  /** By the newest record of it. */
  readonly node: KadNode;
  /** How often it was found again, somewhere else. */
  readonly times: number;
}

/**
 * One search for advertisers (discv5-theory.md, "Lookup Procedure"): bucket by bucket, the farthest first, it asks up to
 * `kLookup` registrars of each, until it has found enough or nobody is left. Times are those of `Env.now`.
 */
export class Search {
  readonly #table: ServiceTable;
  readonly #randomBytes: Env['randomBytes'];
  readonly #parameters: TopicParameters;
  readonly #target: number;
  readonly #found = new Map<string, FoundAdvertiser>();
  /** The networks of those, and the wide ones. */
  readonly #networks: NetworkCounts;
  readonly #wideNetworks: NetworkCounts;
  readonly #localKey: string;
  /** At most `MAX_SEARCH_ASKED`. */
  readonly #asked = new Set<string>();
  readonly #inFlight = new Set<string>();
  /** How many were asked at each distance. */
  readonly #counts = new Map<number, number>();
  #isEnded = false;

  /** @throws PeerlaneError `invalid-argument` */
  constructor(options: SearchOptions) {
    const { table, localId, randomBytes, fLookup = F_LOOKUP, parameters } = options;
    checkInteger('fLookup', fLookup, 1, Number.MAX_SAFE_INTEGER);
    this.#table = table;
    this.#localKey = toBareHex(localId);
    this.#randomBytes = randomBytes;
    this.#target = fLookup;
    const countsOf = (share: number): NetworkCounts =>
      new NetworkCounts(Math.max(NETWORK_ADS_PER_TOPIC, Math.floor(fLookup * share)));
    this.#networks = countsOf(NETWORK_FOUND_SHARE);
    this.#wideNetworks = countsOf(WIDE_NETWORK_FOUND_SHARE);
    this.#parameters = topicParameters(parameters);
  }

  /** Advertisers that were found. */
  get found(): number {
    return this.#found.size;
  }

  /** Registrars that were asked. */
  get asked(): number {
    return this.#asked.size;
  }

  /** Enough were found, or nobody is left to be asked and no answer is awaited: since the last `next`. */
  get isDone(): boolean {
    return this.#isEnded || this.#hasEnough;
  }

  get #hasEnough(): boolean {
    return this.#found.size >= this.#target;
  }

  /** The registrars that are to be asked now: each is asked once, and at most three at once. */
  next(now: number): QueryToSend[] {
    const queries: QueryToSend[] = [];
    // The table may have come to know others.
    this.#isEnded = false;
    while (!this.isDone && this.#inFlight.size < SEARCH_ALPHA) {
      const node = this.#asked.size < MAX_SEARCH_ASKED ? this.#choose(now) : undefined;
      if (node === undefined) {
        this.#isEnded = this.#inFlight.size === 0;
        break;
      }
      const key = toBareHex(node.id);
      this.#asked.add(key);
      this.#inFlight.add(key);
      const distance = this.#table.distanceOf(node.id);
      this.#counts.set(distance, (this.#counts.get(distance) ?? 0) + 1);
      queries.push({ node, topic: this.#table.topic, distances: this.#table.freeDistances() });
    }
    return queries;
  }

  /**
   * The whole answer of a registrar that was asked. Gives the advertisers in it that are new, where they are reached, and those
   * that by a newer record are somewhere else, for registrars keep old ones: of one answer at most `fReturn`, by chance, and of one
   * network few, or who makes up nodes in it would be all that is found.
   * @param place where an advertiser is reached; `undefined`: nowhere. Default: the first place that its record names
   */
  answered(
    id: Uint8Array,
    { advertisers, auxiliary }: QueryAnswer,
    now: number,
    place: (record: NodeRecord) => KadNode | undefined = (record) => nodeOfRecord(record),
  ): KadNode[] {
    if (!this.#inFlight.delete(toBareHex(id))) return [];
    this.#table.succeeded(id);
    this.#table.addAuxiliary(auxiliary, now);
    const ofAnswer = new NetworkCounts(NETWORK_ADS_PER_TOPIC);
    const order = shuffledNumbers(advertisers.length, this.#randomBytes);
    const fresh: KadNode[] = [];
    for (const index of order.subarray(0, this.#parameters.fReturn)) {
      if (this.isDone) break;
      const record = advertisers[index];
      const node = record && place(record);
      if (node !== undefined && this.#takes(node, ofAnswer)) fresh.push(node);
    }
    return fresh;
  }

  /** What this node itself keeps, as an answer. Gives those that are new. */
  kept(advertisers: readonly KadNode[]): KadNode[] {
    const ofAnswer = new NetworkCounts(NETWORK_ADS_PER_TOPIC);
    return advertisers.filter((node) => !this.#hasEnough && this.#takes(node, ofAnswer));
  }

  /** A registrar that was asked gave no answer, or none of sense, whatever that means for the table. Whether one was awaited. */
  unanswered(id: Uint8Array): boolean {
    return this.#inFlight.delete(toBareHex(id));
  }

  #takes(node: KadNode, ofAnswer: NetworkCounts): boolean {
    const { id, ip, record } = node;
    const key = toBareHex(id);
    const known = this.#found.get(key);
    if (key === this.#localKey) return false;
    if (known !== undefined) {
      if (newestRecord(known.node.record, record) === known.node.record) return false;
      const isThere = sameEndpoint(known.node, node);
      // Whatever comes later is compared with the newest one.
      if (isThere) this.#found.set(key, { ...known, node });
      if (isThere || known.times === MAX_FOUND_AGAIN) return false;
    }
    // It has registered from one of its addresses, the registrar knows which: any other may be made up, to dodge what counts for that.
    const hosts = new Set([
      ip,
      ...(record === undefined ? [] : endpointsOfRecord(record).map(({ host }) => host)),
    ]);
    const networks = [...hosts].map((host) => networksOf(host)).filter((each) => each !== undefined);
    const hasRoom = networks.every(
      ({ ofBucket, ofTable }) =>
        ofAnswer.hasRoom(ofBucket) && this.#networks.hasRoom(ofBucket) && this.#wideNetworks.hasRoom(ofTable),
    );
    if (!hasRoom) return false;
    for (const { ofBucket, ofTable } of networks) {
      ofAnswer.add(ofBucket);
      this.#networks.add(ofBucket);
      this.#wideNetworks.add(ofTable);
    }
    this.#found.set(key, { node, times: known === undefined ? 0 : known.times + 1 });
    return true;
  }

  #choose(now: number): TopicNode | undefined {
    for (const distance of this.#table.distances) {
      if ((this.#counts.get(distance) ?? 0) >= this.#parameters.kLookup) continue;
      const nodes = this.#table.at(distance, now).filter(({ id }) => !this.#asked.has(toBareHex(id)));
      const node = nodes[randomBelow(nodes.length, this.#randomBytes)];
      if (node !== undefined) return node;
    }
    return undefined;
  }
}
