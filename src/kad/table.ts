import { equalBytes, toBareHex } from '../base/bytes.ts';
import type { Env } from '../base/env.ts';
import { PeerlaneError } from '../base/errors.ts';
import { randomBelow } from '../base/random-numbers.ts';
import type { NodeRecord } from '../enr/index.ts';
import type { UdpEndpoint } from './address.ts';
import { BUCKET_SIZE, type Bucket, Entry, REPLACEMENTS } from './bucket.ts';
import { Buckets } from './buckets.ts';
import { compareDistance, ID_LENGTH } from './distance.ts';
import { countedFor, type Networks } from './ip-limits.ts';
import { isAt, type KadNode, type OtherPlace, sameEndpoint } from './node.ts';
import { CheckList, FAST_CHECK_INTERVAL_MS, MAX_MISSES, SLOW_CHECK_INTERVAL_MS } from './revalidation.ts';

/** An entry goes after so many failed requests in a row, ... */
export const MAX_REQUEST_FAILURES = 5;
/** ... unless its bucket has fewer than so many, as in go-ethereum: in a small network there may be nobody whom it could name. */
export const FEW_ENTRIES: number = BUCKET_SIZE / 4;

export interface TableOptions {
  /** 32 bytes. */
  readonly localId: Uint8Array;
  readonly randomBytes: Env['randomBytes'];
  /** Where an entry is looked for that no longer answers. Default: nowhere else. */
  readonly otherPlace?: OtherPlace | undefined;
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

export interface ClosestOptions {
  /** Whether only entries count that have passed a check. Default: true. */
  readonly onlyLive?: boolean | undefined;
  /** Which entries count. Default: all. */
  readonly accepts?: ((node: KadNode) => boolean) | undefined;
}

/**
 * The Kademlia table (discv4.md, "Kademlia Table"): 256 buckets by log-distance, of which only those in use take
 * memory. A node counts when it has answered a check at its endpoint; whom to check, and when, the table says.
 * Times are those of `Env.now`.
 */
export class Table {
  /** 32 bytes. */
  readonly localId: Uint8Array;
  readonly #randomBytes: Env['randomBytes'];
  readonly #otherPlace: OtherPlace;
  readonly #onAdded: (node: KadNode) => void;
  readonly #onRemoved: (node: KadNode) => void;
  readonly #buckets: Buckets;
  /** All that is in the buckets. */
  readonly #known = new Map<string, Entry>();
  readonly #lists: { readonly fast: CheckList<Entry>; readonly slow: CheckList<Entry> };
  /** The latest time that was told. */
  #now = Number.NEGATIVE_INFINITY;

  /** @throws PeerlaneError `invalid-argument` */
  constructor({ localId, randomBytes, otherPlace, onAdded, onRemoved }: TableOptions) {
    checkId(localId, 'the local id');
    this.localId = localId.slice();
    this.#buckets = new Buckets(this.localId);
    this.#randomBytes = randomBytes;
    this.#otherPlace = otherPlace ?? nowhere;
    this.#onAdded = onAdded ?? nothing;
    this.#onRemoved = onRemoved ?? nothing;
    this.#lists = {
      fast: new CheckList(FAST_CHECK_INTERVAL_MS, randomBytes),
      slow: new CheckList(SLOW_CHECK_INTERVAL_MS, randomBytes),
    };
  }

  /**
   * Takes a node that others have told of, to be checked. A known one changes only when this one has a record with a
   * higher sequence number, whose endpoint it has.
   */
  addFound(node: KadNode, now: number): AddOutcome {
    return this.#add(node, HEARSAY, now);
  }

  /**
   * As `addFound`, of a node that has written to us from `from`, an address in canonical text, and says itself that it is elsewhere.
   * Until it has answered there it counts for the networks of both, pushes nobody out, and waits behind the others.
   */
  addElsewhere(node: KadNode, from: string, now: number): AddOutcome {
    return this.#add(node, { isProven: false, from }, now);
  }

  /**
   * Takes a node that has written to us and proved its endpoint, to be checked. A known one is from now on the most
   * recently seen, and is taken at its word about a new endpoint, whatever its record says.
   */
  addInbound(node: KadNode, now: number): AddOutcome {
    return this.#add(node, PROOF, now);
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
   * The `n` entries closest to `target`, nearest first.
   * @throws PeerlaneError `invalid-argument`
   */
  closest(
    target: Uint8Array,
    n = BUCKET_SIZE,
    { onlyLive = true, accepts = anyNode }: ClosestOptions = {},
  ): KadNode[] {
    checkId(target, 'the target');
    const nodes: KadNode[] = [];
    for (const { entries } of this.#buckets.towards(target)) {
      if (nodes.length >= n) break;
      const candidates = entries
        .filter(({ isLive, node }) => (isLive || !onlyLive) && accepts(node))
        .map(({ node }) => node);
      candidates.sort((a, b) => compareDistance(target, a.id, b.id));
      nodes.push(...candidates.slice(0, n - nodes.length));
    }
    return nodes;
  }

  /** The entries at a log-distance from us that have passed a check, the least recently seen first. */
  liveAt(distance: number): KadNode[] {
    const bucket = this.#buckets.all.find((one) => one.distance === distance);
    return (bucket?.entries ?? []).filter(({ isLive }) => isLive).map(({ node }) => node);
  }

  /**
   * What came of a FindNode request to an entry, at the place where it is. That it was answered does not make it live: an
   * answer can be sent from a forged address, as a Pong cannot, which repeats what only the true address was sent.
   */
  trackRequest(node: KadNode, success: boolean, now: number): void {
    this.#tell(now);
    const entry = this.#entry(node.id);
    // Others may have named the node at a place where it never was.
    if (entry === undefined || !sameEndpoint(entry.node, node)) return;
    if (success) {
      entry.failures = 0;
      entry.bucket.touch(entry);
      return;
    }
    entry.failures++;
    if (entry.failures >= MAX_REQUEST_FAILURES && entry.bucket.entries.length >= FEW_ENTRIES)
      this.#lost(entry);
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
   * What came of a check: what the entry answered with, or `undefined`. A Pong that was asked for otherwise counts too;
   * that none came does not.
   * @throws PeerlaneError `invalid-argument` if `node` is another node
   */
  checked(id: Uint8Array, node: KadNode | undefined, now: number): void {
    if (node !== undefined && !equalBytes(id, node.id)) {
      throw new PeerlaneError('invalid-argument', 'the node that answered is not the one that was checked');
    }
    this.#tell(now);
    const entry = this.#entry(id);
    if (entry === undefined) return;
    if (node === undefined) this.#missed(entry);
    else this.#answered(entry, node);
  }

  /**
   * The node has proved otherwise than by a check that it is at an endpoint: if that is the one of its entry, or the other of its record
   * while it does not answer there, it counts as live from now on, and remains to be checked.
   */
  proved(id: Uint8Array, endpoint: UdpEndpoint): void {
    const entry = this.#entry(id);
    if (entry === undefined) return;
    if (!isAt(entry.node, endpoint)) {
      const other = entry.isLive ? undefined : this.#otherPlace(entry.node);
      if (other === undefined || !isAt(other, endpoint) || !this.#move(entry, other, PROOF)) return;
    }
    this.#believe(entry);
    entry.isLive = true;
    entry.misses = 0;
  }

  /** A node has said that it is nowhere, or nowhere that can be reached: one that waits takes its place. */
  left(id: Uint8Array): void {
    const entry = this.#entry(id);
    if (entry !== undefined) this.#replace(entry);
  }

  /** Number of entries. */
  get size(): number {
    return this.#buckets.all.reduce((sum, { entries }) => sum + entries.length, 0);
  }

  /** Whether there is no entry. Sooner than to count them. */
  get isEmpty(): boolean {
    return this.#buckets.all.length === 0;
  }

  /** All entries: the nearest bucket first, and in it the least recently seen. */
  entries(): KadNode[] {
    return this.#buckets.all.flatMap(({ entries }) => entries.map(({ node }) => node));
  }

  /** Those of them that have passed a check, in the same order. */
  live(): KadNode[] {
    return this.#buckets.all.flatMap(({ entries }) =>
      entries.filter(({ isLive }) => isLive).map(({ node }) => node),
    );
  }

  /** All that wait for an entry to go, in the same order. */
  replacements(): KadNode[] {
    return this.#buckets.all.flatMap(({ replacements }) => replacements.map(({ node }) => node));
  }

  stats(): TableStats {
    let [entries, live, replacements] = [0, 0, 0];
    for (const bucket of this.#buckets.all) {
      entries += bucket.entries.length;
      live += bucket.entries.filter(({ isLive }) => isLive).length;
      replacements += bucket.replacements.length;
    }
    return { entries, live, replacements, buckets: this.#buckets.all.length };
  }

  #add(node: KadNode, word: Word, now: number): AddOutcome {
    this.#tell(now);
    const key = toBareHex(node.id);
    const known = this.#known.get(key);
    if (known !== undefined) return this.#meet(known, node, word);
    const { isProven, from } = word;
    const bucket = this.#buckets.of(node.id);
    if (bucket === undefined) return 'refused';
    const networks = countedFor(node.ip, from);
    if (isProven) for (const network of networks) this.#dropHearsay(network, bucket);
    if (!this.#buckets.hasRoom(networks, bucket)) return 'refused';
    if (bucket.replacements.length >= REPLACEMENTS) {
      const victim = bucket.victim({ isProven, from });
      if (victim === undefined) return 'refused';
      this.#drop(victim);
    }
    const entry = new Entry(key, node, bucket, { networks, isProven, from });
    this.#buckets.add(entry);
    this.#known.set(key, entry);
    if (entry.isReplacement) return 'replacement';
    this.#await(entry, 'fast');
    this.#onAdded(node);
    return 'added';
  }

  /** Makes room within the limits, if that takes no more than what was said of others. */
  #dropHearsay(networks: Networks, bucket: Bucket): void {
    while (!this.#buckets.hasRoom([networks], bucket)) {
      const entry = this.#buckets.hearsay(networks, bucket);
      if (entry === undefined) return;
      if (entry.isReplacement) this.#drop(entry);
      else this.#replace(entry);
    }
  }

  #meet(entry: Entry, node: KadNode, word: Word): AddOutcome {
    const change = this.#update(entry, node, word);
    if (change === 'refused' || (change === 'same' && !word.isProven)) return 'refused';
    if (!word.isProven) return 'updated';
    this.#believe(entry);
    entry.bucket.touch(entry);
    return 'updated';
  }

  /** The node has written to us from the place of its entry, or answered there. */
  #believe(entry: Entry): void {
    entry.isProven = true;
    entry.hasTurned = false;
    if (entry.from === undefined) return;
    entry.from = undefined;
    this.#buckets.relocate(entry, countedFor(entry.node.ip));
  }

  /** `moved`: the entry has another endpoint, where it has yet to answer. `refused`: it keeps the one that it had. */
  #update(entry: Entry, node: KadNode, word: Word): 'same' | 'changed' | 'moved' | 'refused' {
    const stays = sameEndpoint(entry.node, node);
    if (!supersedes(entry.node, node, word.isProven)) return stays ? 'same' : 'refused';
    if (stays) {
      entry.node = node;
      return 'changed';
    }
    return this.#move(entry, node, word) ? 'moved' : 'refused';
  }

  /** Whether there is room for the entry at another place. */
  #move(entry: Entry, node: KadNode, { isProven, from }: Word): boolean {
    if (!this.#buckets.relocate(entry, countedFor(node.ip, from))) return false;
    entry.node = withNewest(node, entry.node.record);
    entry.isProven = isProven;
    entry.from = from;
    entry.hasTurned = false;
    entry.isLive = false;
    entry.misses = 0;
    entry.failures = 0;
    if (!entry.isReplacement) this.#await(entry, 'fast');
    return true;
  }

  #answered(entry: Entry, node: KadNode): void {
    const answers = entry.isChecking || sameEndpoint(entry.node, node);
    if (this.#update(entry, node, PROOF) === 'moved' || !answers) return;
    this.#believe(entry);
    entry.isLive = true;
    entry.misses = 0;
    entry.bucket.touch(entry);
    this.#await(entry, 'slow');
  }

  #missed(entry: Entry): void {
    // The check was of an endpoint that the entry has left meanwhile, or of one with the same id that has gone.
    if (!entry.isChecking) return;
    entry.misses++;
    if (!entry.isLive || entry.misses >= MAX_MISSES) this.#lost(entry);
    else this.#await(entry, 'fast');
  }

  /** The node does not answer any more: it is looked for at its other place, and goes when it is not there either. */
  #lost(entry: Entry): void {
    const other = entry.hasTurned ? undefined : this.#otherPlace(entry.node);
    const word = { isProven: false, from: entry.from };
    if (other !== undefined && this.#move(entry, other, word)) entry.hasTurned = true;
    else this.#replace(entry);
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
    const waiting = bucket.next;
    const next = waiting[randomBelow(waiting.length, this.#randomBytes)];
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
    this.#known.delete(entry.key);
    this.#unlist(entry);
    this.#buckets.remove(entry);
  }

  #entry(id: Uint8Array): Entry | undefined {
    const entry = this.#known.get(toBareHex(id));
    return entry?.isReplacement ? undefined : entry;
  }

  #tell(now: number): void {
    this.#now = Math.max(this.#now, now);
  }
}

/** What is known of a place that a node is said to be at. */
interface Word {
  /** The node has written to us from there, or answered there. */
  readonly isProven: boolean;
  /** It has said so itself, from this address. */
  readonly from?: string | undefined;
}

const HEARSAY: Word = { isProven: false };
const PROOF: Word = { isProven: true };

/** Whether `node` says more than `known` does. */
function supersedes(known: KadNode, node: KadNode, isProven: boolean): boolean {
  // Whoever has answered there is there: its record follows, or never names an address.
  if (isProven && !sameEndpoint(known, node)) return true;
  if (node.record !== undefined) return known.record === undefined || node.record.seq > known.record.seq;
  if (known.record !== undefined || !isProven) return false;
  return known.tcpPort !== node.tcpPort;
}

/** A node with the newer of its own record and one that was known. */
function withNewest(node: KadNode, known: NodeRecord | undefined): KadNode {
  const isNewer = known !== undefined && (node.record === undefined || known.seq > node.record.seq);
  return isNewer ? { ...node, record: known } : node;
}

function checkId(id: Uint8Array, name: string): void {
  if (!(id instanceof Uint8Array) || id.length !== ID_LENGTH) {
    throw new PeerlaneError('invalid-argument', `${name} is a Uint8Array of ${ID_LENGTH} bytes`);
  }
}

const nothing = (): void => undefined;
const nowhere = (): undefined => undefined;
const anyNode = (): boolean => true;
