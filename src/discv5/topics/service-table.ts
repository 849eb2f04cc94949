import { toBareHex } from '../../base/bytes.ts';
import { checkLength } from '../../base/checks.ts';
import {
  BUCKET_NETWORK_LIMIT,
  BUCKET_SIZE,
  ID_LENGTH,
  type KadNode,
  NetworkCounts,
  type Networks,
  networksOf,
  TABLE_NETWORK_LIMIT,
} from '../../kad/index.ts';
import { type TopicNode, takesPart } from './capability.ts';
import type { Exclusions, TopicFailure } from './exclusions.ts';
import { MAX_AUXILIARY, MAX_TOPIC_DISTANCES } from './parameters.ts';
import { topicDistance } from './topic-id.ts';

/** The farthest bucket. */
export const MAX_DISTANCE: number = ID_LENGTH * 8;
/** Buckets nearer than the nearest node that are asked for: one that is twice or four times as near may be there. */
const NEARER = 2;

export interface ServiceTableOptions {
  /** 32 bytes. */
  readonly topic: Uint8Array;
  /** Our node id: we do not ask ourselves. */
  readonly localId: Uint8Array;
  readonly exclusions: Exclusions;
}

interface Entry {
  node: TopicNode;
  readonly networks: Networks | undefined;
  /** It has answered, to ordinary discovery or to us; of the others somebody has told us. */
  isVerified: boolean;
}

/**
 * B(s): nodes that take part, in buckets by their distance from a topic (discv5-theory.md, "Service Tables"), at most 16
 * in each, and of one network no more than an ordinary table takes. Who has answered pushes out who has not.
 */
export class ServiceTable {
  readonly topic: Uint8Array;
  readonly #localKey: string;
  readonly #exclusions: Exclusions;
  /** By distance; there is no bucket without an entry. */
  readonly #buckets = new Map<number, Map<string, Entry>>();
  readonly #networks = new NetworkCounts(TABLE_NETWORK_LIMIT);

  /** @throws PeerlaneError `invalid-argument` */
  constructor({ topic, localId, exclusions }: ServiceTableOptions) {
    checkLength('the topic', topic, ID_LENGTH);
    checkLength('the local id', localId, ID_LENGTH);
    this.topic = topic.slice();
    this.#localKey = toBareHex(localId);
    this.#exclusions = exclusions;
  }

  get size(): number {
    let size = 0;
    for (const bucket of this.#buckets.values()) size += bucket.size;
    return size;
  }

  /** The distances at which there are nodes, the farthest first. */
  get distances(): number[] {
    return [...this.#buckets.keys()].sort((a, b) => b - a);
  }

  /** The bucket of a node: 1..256. */
  distanceOf(id: Uint8Array): number {
    return topicDistance(this.topic, id);
  }

  /** Takes nodes of the ordinary table that have passed a check there. */
  addLive(nodes: Iterable<KadNode>, now: number): void {
    for (const node of nodes) this.#add(node, true, now);
  }

  /**
   * Takes nodes that came with an answer: the first 16, and of one distance only the first, so that whoever answers does
   * not fill a bucket. Gives those that are new, for ordinary discovery to check them.
   */
  addAuxiliary(nodes: readonly KadNode[], now: number): KadNode[] {
    const seen = new Set<number>();
    return nodes.slice(0, MAX_AUXILIARY).filter((node) => {
      const distance = this.distanceOf(node.id);
      if (seen.has(distance)) return false;
      seen.add(distance);
      return this.#add(node, false, now);
    });
  }

  /** The nodes of a bucket that may be asked. */
  at(distance: number, now: number): TopicNode[] {
    const bucket = this.#buckets.get(distance)?.values() ?? [];
    return Array.from(bucket, ({ node }) => node).filter(({ id }) => !this.#exclusions.has(id, now));
  }

  /** The distances that a request names: of the buckets with room, those with the fewest nodes, the nearest first. */
  freeDistances(): number[] {
    const nearest = this.distances.at(-1);
    if (nearest === undefined) return [];
    const free: { readonly distance: number; readonly size: number }[] = [];
    for (let distance = Math.max(1, nearest - NEARER); distance <= MAX_DISTANCE; distance++) {
      const size = this.#buckets.get(distance)?.size ?? 0;
      if (size < BUCKET_SIZE) free.push({ distance, size });
    }
    free.sort((a, b) => a.size - b.size || a.distance - b.distance);
    return free.slice(0, MAX_TOPIC_DISTANCES).map(({ distance }) => distance);
  }

  /** The node has answered as it should. */
  succeeded(id: Uint8Array): void {
    this.#exclusions.succeeded(id);
    const entry = this.#buckets.get(this.distanceOf(id))?.get(toBareHex(id));
    if (entry !== undefined) entry.isVerified = true;
  }

  /** The node did not answer, or not as it should: after two in a row it is left alone for a while. */
  failed(id: Uint8Array, now: number, failure?: TopicFailure): void {
    if (this.#exclusions.failed(id, now, failure)) this.remove(id);
  }

  /** Leaves a node alone for a while. */
  exclude(id: Uint8Array, now: number): void {
    this.#exclusions.exclude(id, now);
    this.remove(id);
  }

  /** Where each node is asked from now on, at an address of its own; `undefined`: nowhere. */
  move(askedAt: (node: KadNode) => KadNode | undefined, now: number): void {
    const entries = [...this.#buckets.values()].flatMap((bucket) => [...bucket.values()]);
    for (const { node, isVerified } of entries) {
      const place = askedAt(node);
      if (place === node) continue;
      this.remove(node.id);
      if (place !== undefined) this.#add(place, isVerified, now);
    }
  }

  /** The node has gone from the ordinary table. */
  remove(id: Uint8Array): void {
    this.#remove(this.distanceOf(id), toBareHex(id));
  }

  /** Whether the node is new. */
  #add(node: KadNode, isVerified: boolean, now: number): boolean {
    const key = toBareHex(node.id);
    if (key === this.#localKey || this.#exclusions.has(node.id, now)) return false;
    const distance = this.distanceOf(node.id);
    const known = this.#buckets.get(distance)?.get(key);
    if (!takesPart(node)) {
      if (known !== undefined && retracts(known, node, isVerified)) this.#remove(distance, key);
      return false;
    }
    if (known !== undefined && !supersedes(known, node, isVerified)) {
      known.isVerified ||= isVerified;
      return false;
    }
    if (known !== undefined) this.#remove(distance, key);
    const networks = networksOf(node.ip);
    if (isVerified) this.#makeRoom(distance, networks);
    const hasRoom = this.#hasRoom(distance, networks);
    const entry = { node, networks, isVerified: isVerified || (known?.isVerified ?? false) };
    if (hasRoom) this.#put(distance, key, entry);
    else if (known !== undefined) this.#put(distance, key, known);
    return hasRoom && known === undefined;
  }

  #put(distance: number, key: string, entry: Entry): void {
    const bucket = this.#buckets.get(distance);
    if (bucket === undefined) this.#buckets.set(distance, new Map([[key, entry]]));
    else bucket.set(key, entry);
    if (entry.networks !== undefined) this.#networks.add(entry.networks.ofTable);
  }

  #remove(distance: number, key: string): void {
    const bucket = this.#buckets.get(distance);
    const entry = bucket?.get(key);
    if (bucket === undefined || entry === undefined) return;
    bucket.delete(key);
    if (bucket.size === 0) this.#buckets.delete(distance);
    if (entry.networks !== undefined) this.#networks.remove(entry.networks.ofTable);
  }

  #hasRoom(distance: number, networks: Networks | undefined): boolean {
    const bucket = this.#buckets.get(distance);
    if (bucket !== undefined && bucket.size >= BUCKET_SIZE) return false;
    return this.#hasNetworkRoom(distance, networks);
  }

  #hasNetworkRoom(distance: number, networks: Networks | undefined): boolean {
    if (networks === undefined) return true;
    if (!this.#networks.hasRoom(networks.ofTable)) return false;
    let count = 0;
    for (const entry of this.#buckets.get(distance)?.values() ?? []) {
      if (entry.networks?.ofBucket === networks.ofBucket) count++;
    }
    return count < BUCKET_NETWORK_LIMIT;
  }

  /** Removes what others have told of, as far as it stands in the way. */
  #makeRoom(distance: number, networks: Networks | undefined): void {
    while (!this.#hasRoom(distance, networks)) {
      const isNetwork = !this.#hasNetworkRoom(distance, networks);
      const found = this.#hearsay(distance, isNetwork ? networks : undefined);
      if (found === undefined) return;
      this.#remove(...found);
    }
  }

  #hearsay(distance: number, networks: Networks | undefined): [distance: number, key: string] | undefined {
    const isTable = networks !== undefined && !this.#networks.hasRoom(networks.ofTable);
    for (const at of isTable ? this.#buckets.keys() : [distance]) {
      for (const [key, entry] of this.#buckets.get(at) ?? []) {
        const isInTheWay =
          networks === undefined ||
          (isTable
            ? entry.networks?.ofTable === networks.ofTable
            : entry.networks?.ofBucket === networks.ofBucket);
        if (isInTheWay && !entry.isVerified) return [at, key];
      }
    }
    return undefined;
  }
}

/** Whether `node` says more than what is known; others cannot move whom we have heard. */
function supersedes(
  { node: known, isVerified: isKnown }: Entry,
  node: TopicNode,
  isVerified: boolean,
): boolean {
  if (isKnown && !isVerified) return false;
  return (isVerified && !isKnown) || node.record.seq > known.record.seq;
}

/** Whether a newer record of the node says no more that it takes part. */
function retracts(
  { node: known, isVerified: isKnown }: Entry,
  { record }: KadNode,
  isVerified: boolean,
): boolean {
  return record !== undefined && record.seq > known.record.seq && (isVerified || !isKnown);
}
