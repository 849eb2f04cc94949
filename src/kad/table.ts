import { toBareHex } from '../base/bytes.ts';
import type { Env } from '../base/env.ts';
import { PeerlaneError } from '../base/errors.ts';
import { BUCKET_SIZE, Bucket, Entry, REPLACEMENTS } from './bucket.ts';
import { compareDistance, ID_LENGTH, logDistance } from './distance.ts';
import { NetworkCounts, type Networks, networksOf, TABLE_NETWORK_LIMIT } from './ip-limits.ts';
import { type KadNode, sameEndpoint } from './node.ts';
import {
  CheckList,
  FAST_CHECK_INTERVAL_MS,
  MAX_MISSES,
  randomBelow,
  SLOW_CHECK_INTERVAL_MS,
} from './revalidation.ts';

/** An entry goes after so many failed requests in a row, unless its bucket has no other. */
export const MAX_REQUEST_FAILURES = 5;

export interface TableOptions {
  /** 32 bytes. */
  readonly localId: Uint8Array;
  readonly randomBytes: Env['randomBytes'];
  /** A node has become an entry. Replacements are not told of. */
  readonly onAdded?: ((node: KadNode) => void) | undefined;
  /** An entry has gone. */
  readonly onRemoved?: ((node: KadNode) => void) | undefined;
}

/** `replacement`: it waits for an entry to go. `refused`: it is ourselves, of a full network, or nothing new. */
export type AddOutcome = 'added' | 'replacement' | 'updated' | 'refused';

export interface TableStats {
  readonly entries: number;
  /** Entries that have passed a check. */
  readonly live: number;
  readonly replacements: number;
  /** Those in use, of 256. */
  readonly buckets: number;
}

/**
 * The Kademlia table (discv4.md, "Kademlia Table"): 256 buckets by log-distance, of which only those in use take
 * memory. A node counts when it has answered a check at its endpoint; whom to check, and when, the table says.
 * Times are those of `Env.now`.
 */
export class Table {
  readonly #localId: Uint8Array;
  readonly #randomBytes: Env['randomBytes'];
  readonly #onAdded: (node: KadNode) => void;
  readonly #onRemoved: (node: KadNode) => void;
  /** Entries and replacements. Bounded by the buckets. */
  readonly #known = new Map<string, Entry>();
  /** Those in use, the nearest first. */
  readonly #buckets: Bucket[] = [];
  readonly #networks = new NetworkCounts(TABLE_NETWORK_LIMIT);
  readonly #lists: { readonly fast: CheckList<Entry>; readonly slow: CheckList<Entry> };
  /** The latest time that was told. */
  #now = Number.NEGATIVE_INFINITY;

  /** @throws PeerlaneError `invalid-argument` */
  constructor({ localId, randomBytes, onAdded, onRemoved }: TableOptions) {
    checkId(localId, 'the local id');
    this.#localId = localId.slice();
    this.#randomBytes = randomBytes;
    this.#onAdded = onAdded ?? nothing;
    this.#onRemoved = onRemoved ?? nothing;
    this.#lists = {
      fast: new CheckList(FAST_CHECK_INTERVAL_MS, randomBytes),
      slow: new CheckList(SLOW_CHECK_INTERVAL_MS, randomBytes),
    };
  }

  /**
   * Takes a node that others have told of, to be checked. A known one changes only when this one has a record with a
   * higher sequence number.
   */
  addFound(node: KadNode, now: number): AddOutcome {
    return this.#add(node, false, now);
  }

  /**
   * Takes a node that has written to us and proved its endpoint, to be checked. A known one is from now on the most
   * recently seen; where it has no record, it is taken at its word about a new endpoint.
   */
  addInbound(node: KadNode, now: number): AddOutcome {
    return this.#add(node, true, now);
  }

  /** An entry. */
  get(id: Uint8Array): KadNode | undefined {
    return this.#entry(id)?.node;
  }

  /** Whether the node is an entry. */
  has(id: Uint8Array): boolean {
    return this.#entry(id) !== undefined;
  }

  /** Whether the node is an entry that has passed a check. */
  isLive(id: Uint8Array): boolean {
    return this.#entry(id)?.isLive ?? false;
  }

  /**
   * The `n` entries closest to `target`, nearest first; live ones only unless told otherwise.
   * @throws PeerlaneError `invalid-argument`
   */
  closest(target: Uint8Array, n = BUCKET_SIZE, { onlyLive = true }: { onlyLive?: boolean } = {}): KadNode[] {
    checkId(target, 'the target');
    const nodes: KadNode[] = [];
    for (const { entries } of this.#bucketsTowards(target)) {
      if (nodes.length >= n) break;
      const candidates = entries.filter(({ isLive }) => isLive || !onlyLive).map(({ node }) => node);
      candidates.sort((a, b) => compareDistance(target, a.id, b.id));
      nodes.push(...candidates.slice(0, n - nodes.length));
    }
    return nodes;
  }

  /**
   * What came of a FindNode request to an entry. That it was answered does not make it live: an answer can be sent
   * from a forged address, as a Pong cannot, which repeats what only the true address was sent.
   */
  trackRequest(id: Uint8Array, success: boolean, now: number): void {
    this.#tell(now);
    const entry = this.#entry(id);
    if (entry === undefined) return;
    if (success) {
      entry.failures = 0;
      entry.bucket.touch(entry);
      return;
    }
    entry.failures++;
    if (entry.failures >= MAX_REQUEST_FAILURES && entry.bucket.entries.length > 1) this.#replace(entry);
    else if (entry.list === 'slow') this.#await(entry, 'fast');
  }

  /**
   * The entry that is to be pinged now, or `undefined`. It counts as being checked until `checked` is told. To be
   * called until it gives none.
   */
  nextCheck(now: number): KadNode | undefined {
    this.#tell(now);
    const entry = this.#lists.fast.take(now) ?? this.#lists.slow.take(now);
    if (entry === undefined) return undefined;
    entry.list = undefined;
    entry.isChecking = true;
    return entry.node;
  }

  /** When `nextCheck` has an entry next; infinite if never. */
  get deadline(): number {
    return Math.min(this.#lists.fast.nextAt, this.#lists.slow.nextAt);
  }

  /**
   * What came of a check: what the entry answered with, or `undefined`. An answer of an entry that is not being
   * checked counts too, no answer does not.
   * @throws PeerlaneError `invalid-argument` if `node` is another node
   */
  checked(id: Uint8Array, node: KadNode | undefined, now: number): void {
    if (node !== undefined && compareDistance(id, id, node.id) !== 0) {
      throw new PeerlaneError('invalid-argument', 'the node that answered is not the one that was checked');
    }
    this.#tell(now);
    const entry = this.#entry(id);
    if (entry === undefined) return;
    if (node === undefined) this.#missed(entry);
    else this.#answered(entry, node);
  }

  /** Forgets a node. A replacement takes its place. */
  remove(id: Uint8Array): void {
    const entry = this.#known.get(toBareHex(id));
    if (entry === undefined) return;
    if (entry.isReplacement) this.#drop(entry);
    else this.#replace(entry);
  }

  /** Number of entries. */
  get size(): number {
    return this.#buckets.reduce((sum, { entries }) => sum + entries.length, 0);
  }

  /** All entries: the nearest bucket first, and in it the least recently seen. */
  entries(): KadNode[] {
    return this.#buckets.flatMap(({ entries }) => entries.map(({ node }) => node));
  }

  /** All that wait for an entry to go, in the same order. */
  replacements(): KadNode[] {
    return this.#buckets.flatMap(({ replacements }) => replacements.map(({ node }) => node));
  }

  stats(): TableStats {
    let [entries, live, replacements] = [0, 0, 0];
    for (const bucket of this.#buckets) {
      entries += bucket.entries.length;
      live += bucket.entries.filter(({ isLive }) => isLive).length;
      replacements += bucket.replacements.length;
    }
    return { entries, live, replacements, buckets: this.#buckets.length };
  }

  /**
   * A random id at a log-distance of 1..256 from ours, for lookups that refresh that bucket.
   * @throws PeerlaneError `invalid-argument`
   */
  randomIdAt(distance: number): Uint8Array {
    if (!Number.isInteger(distance) || distance < 1 || distance > ID_LENGTH * 8) {
      throw new PeerlaneError('invalid-argument', `a log-distance is a number from 1 to ${ID_LENGTH * 8}`);
    }
    const id = this.#localId.slice();
    const random = this.#randomBytes(ID_LENGTH);
    const at = ID_LENGTH - 1 - ((distance - 1) >> 3);
    const bit = 1 << ((distance - 1) & 7);
    for (let i = at + 1; i < ID_LENGTH; i++) id[i] = random[i] ?? 0;
    const own = this.#localId[at] ?? 0;
    id[at] = own ^ bit ^ ((random[at] ?? 0) & (bit - 1));
    return id;
  }

  #add(node: KadNode, isProven: boolean, now: number): AddOutcome {
    this.#tell(now);
    const key = toBareHex(node.id);
    const known = this.#known.get(key);
    if (known !== undefined) return this.#meet(known, node, isProven);
    const distance = logDistance(this.#localId, node.id);
    if (distance === 0) return 'refused';
    const bucket = this.#bucket(distance) ?? new Bucket(distance);
    const networks = networksOf(node.ip);
    if (!this.#hasRoom(networks, bucket)) return 'refused';
    if (bucket.replacements.length >= REPLACEMENTS) {
      const victim = bucket.victim(isProven);
      if (victim === undefined) return 'refused';
      this.#drop(victim);
    }
    const entry = new Entry(key, node, bucket, { networks, isProven });
    if (bucket.entries.length === 0) this.#open(bucket);
    bucket.add(entry);
    this.#known.set(key, entry);
    this.#count(networks, bucket);
    if (entry.isReplacement) return 'replacement';
    this.#await(entry, 'fast');
    this.#onAdded(node);
    return 'added';
  }

  #meet(entry: Entry, node: KadNode, isProven: boolean): AddOutcome {
    const change = this.#update(entry, node, isProven);
    if (!isProven || change === 'refused')
      return change === 'changed' || change === 'moved' ? 'updated' : 'refused';
    entry.isProven = true;
    entry.bucket.touch(entry);
    return 'updated';
  }

  /** `moved`: the entry has another endpoint, where it has yet to answer. `refused`: it keeps the one that it had. */
  #update(entry: Entry, node: KadNode, isProven: boolean): 'same' | 'changed' | 'moved' | 'refused' {
    const stays = sameEndpoint(entry.node, node);
    if (!supersedes(entry.node, node, isProven)) return stays ? 'same' : 'refused';
    if (stays) {
      entry.node = node;
      return 'changed';
    }
    const { bucket, networks: before } = entry;
    const after = networksOf(node.ip);
    this.#uncount(before, bucket);
    const fits = this.#hasRoom(after, bucket);
    this.#count(fits ? after : before, bucket);
    if (!fits) return 'refused';
    entry.node = node;
    entry.networks = after;
    entry.isProven = isProven;
    entry.isLive = false;
    entry.misses = 0;
    entry.failures = 0;
    if (!entry.isReplacement) this.#await(entry, 'fast');
    return 'moved';
  }

  #answered(entry: Entry, node: KadNode): void {
    const answers = entry.isChecking || sameEndpoint(entry.node, node);
    if (this.#update(entry, node, true) === 'moved' || !answers) return;
    entry.isLive = true;
    entry.isProven = true;
    entry.misses = 0;
    entry.bucket.touch(entry);
    this.#await(entry, 'slow');
  }

  #missed(entry: Entry): void {
    // The check was of an endpoint that the entry has left meanwhile, or of one with the same id that has gone.
    if (!entry.isChecking) return;
    entry.misses++;
    if (!entry.isLive || entry.misses >= MAX_MISSES) this.#replace(entry);
    else this.#await(entry, 'fast');
  }

  /** Puts an entry on a list. A check of it that is under way no longer counts. */
  #await(entry: Entry, list: 'fast' | 'slow'): void {
    entry.isChecking = false;
    if (entry.list === list) return;
    this.#unlist(entry);
    entry.list = list;
    this.#lists[list].add(entry, this.#now);
  }

  #unlist(entry: Entry): void {
    if (entry.list !== undefined) this.#lists[entry.list].remove(entry);
    entry.list = undefined;
  }

  /** Removes an entry, and makes one of the replacements, a random one, an entry. */
  #replace(entry: Entry): void {
    const { bucket } = entry;
    this.#drop(entry);
    const next = bucket.replacements[randomBelow(bucket.replacements.length, this.#randomBytes)];
    if (next !== undefined) {
      bucket.remove(next);
      next.isReplacement = false;
      bucket.add(next);
      this.#await(next, 'fast');
    }
    this.#onRemoved(entry.node);
    if (next !== undefined) this.#onAdded(next.node);
  }

  #drop(entry: Entry): void {
    const { bucket } = entry;
    this.#known.delete(entry.key);
    bucket.remove(entry);
    this.#unlist(entry);
    this.#uncount(entry.networks, bucket);
    if (bucket.entries.length === 0 && bucket.replacements.length === 0) {
      this.#buckets.splice(this.#buckets.indexOf(bucket), 1);
    }
  }

  #hasRoom(networks: Networks | undefined, bucket: Bucket): boolean {
    if (networks === undefined) return true;
    return bucket.networks.hasRoom(networks.ofBucket) && this.#networks.hasRoom(networks.ofTable);
  }

  #count(networks: Networks | undefined, bucket: Bucket): void {
    if (networks === undefined) return;
    bucket.networks.add(networks.ofBucket);
    this.#networks.add(networks.ofTable);
  }

  #uncount(networks: Networks | undefined, bucket: Bucket): void {
    if (networks === undefined) return;
    bucket.networks.remove(networks.ofBucket);
    this.#networks.remove(networks.ofTable);
  }

  #entry(id: Uint8Array): Entry | undefined {
    const entry = this.#known.get(toBareHex(id));
    return entry?.isReplacement ? undefined : entry;
  }

  #bucket(distance: number): Bucket | undefined {
    return this.#buckets.findLast((bucket) => bucket.distance === distance);
  }

  #open(bucket: Bucket): void {
    const after = this.#buckets.findIndex(({ distance }) => distance > bucket.distance);
    this.#buckets.splice(after < 0 ? this.#buckets.length : after, 0, bucket);
  }

  /**
   * The buckets in the order of their distance to `target`; no node of one is closer than any of the one before. Where
   * the target differs from us in the bit that a bucket is named after, the bucket's nodes agree with the target in
   * that bit, and those of all nearer buckets do not; elsewhere it is the other way round.
   */
  *#bucketsTowards(target: Uint8Array): Generator<Bucket> {
    const differs = ({ distance }: Bucket): boolean => {
      const at = ID_LENGTH - 1 - ((distance - 1) >> 3);
      return ((((target[at] ?? 0) ^ (this.#localId[at] ?? 0)) >> ((distance - 1) & 7)) & 1) === 1;
    };
    for (const bucket of this.#buckets.toReversed()) if (differs(bucket)) yield bucket;
    for (const bucket of this.#buckets) if (!differs(bucket)) yield bucket;
  }

  #tell(now: number): void {
    this.#now = Math.max(this.#now, now);
  }
}

/** Whether `node` says more than `known` does. */
function supersedes(known: KadNode, node: KadNode, isProven: boolean): boolean {
  if (node.record !== undefined) return known.record === undefined || node.record.seq > known.record.seq;
  if (known.record !== undefined || !isProven) return false;
  return !sameEndpoint(known, node) || known.tcpPort !== node.tcpPort;
}

function checkId(id: Uint8Array, name: string): void {
  if (!(id instanceof Uint8Array) || id.length !== ID_LENGTH) {
    throw new PeerlaneError('invalid-argument', `${name} is a Uint8Array of ${ID_LENGTH} bytes`);
  }
}

const nothing = (): void => undefined;
