import { toBareHex } from '../base/bytes.ts';
import { PeerlaneError } from '../base/errors.ts';
import { BUCKET_SIZE } from './bucket.ts';
import { compareDistance, ID_LENGTH } from './distance.ts';
import {
  BUCKET_NETWORK_LIMIT,
  NetworkCounts,
  type Networks,
  networksOf,
  TABLE_NETWORK_LIMIT,
} from './ip-limits.ts';
import { type KadNode, newestRecord, type OtherPlace, sameEndpoint } from './node.ts';

/** Kademlia's alpha: how many nodes are asked at once (discv4.md, "Recursive Lookup"). */
export const ALPHA = 3;
/**
 * Nodes that one lookup asks. In a network of ten thousand it is about thirty; who makes up ever closer nodes does
 * not keep us busy without end.
 */
export const MAX_ASKED = 256;
/** Nodes that are taken from one answer: more are in none, of discovery v4 or v5. */
export const MAX_FOUND = 16;
/**
 * Places at which one node is asked, one after another: who names a node first, at an address of no use, would else hide
 * it from the lookup.
 */
export const MAX_PLACES = 3;
/** For the newest of its records, which old ones that others have kept, each with a place, are not to hide. */
const MAX_PLACES_OF_NEWEST = 2 * MAX_PLACES;

export interface LookupOptions {
  /** An id: 32 bytes. */
  readonly target: Uint8Array;
  /** The closest nodes that are known. */
  readonly start: readonly KadNode[];
  /** Our own id, which is never asked. */
  readonly localId: Uint8Array;
  /** How many nodes are asked at once. */
  readonly alpha?: number;
  /** How many nodes are looked for. */
  readonly k?: number;
  /** Where a node is asked that does not answer. Default: nowhere else. */
  readonly otherPlace?: OtherPlace | undefined;
}

interface Candidate {
  /** At the place where it is asked. */
  node: KadNode;
  /** The networks that it counts for, if there is a limit. */
  networks: Networks | undefined;
  /** At all places that are known, in the order of `node`s; behind one that has not answered the other of its record. */
  readonly places: KadNode[];
  /** Those of them that others have named: at most `MAX_PLACES`. */
  named: number;
  state: 'heard' | 'asked' | 'answered' | 'failed';
  /** It has been asked a second time at all its places. */
  isRepeated: boolean;
}

/** One recursive lookup (discv4.md, "Recursive Lookup"). It knows no packets and no time: who asks says what came of it. */
export class Lookup {
  readonly #target: Uint8Array;
  readonly #alpha: number;
  readonly #k: number;
  readonly #localKey: string;
  readonly #otherPlace: OtherPlace;
  /** At most as many as it started with, and `MAX_FOUND` for each of `MAX_ASKED`. */
  readonly #seen = new Map<string, Candidate>();
  /** The closest first. */
  readonly #candidates: Candidate[] = [];
  #inFlight = 0;
  #asked = 0;

  /** @throws PeerlaneError `invalid-argument` */
  constructor({ target, start, localId, alpha = ALPHA, k = BUCKET_SIZE, otherPlace }: LookupOptions) {
    if (!(target instanceof Uint8Array) || target.length !== ID_LENGTH) {
      throw new PeerlaneError(
        'invalid-argument',
        `the target of a lookup is a Uint8Array of ${ID_LENGTH} bytes`,
      );
    }
    for (const count of [alpha, k]) {
      if (!Number.isInteger(count) || count < 1) {
        throw new PeerlaneError('invalid-argument', 'alpha and k are whole numbers from 1');
      }
    }
    this.#target = target.slice();
    this.#alpha = alpha;
    this.#k = k;
    this.#localKey = toBareHex(localId);
    this.#otherPlace = otherPlace ?? (() => undefined);
    for (const node of start) this.#hear(node);
  }

  /**
   * The nodes that are to be asked now, at most alpha of which are in flight. Each is asked once, and one that failed once more
   * at the end, if it may be one of the closest: where packets get lost one in thirty seems to be gone, and is not.
   */
  next(): KadNode[] {
    if (this.#inFlight === 0 && !this.#isHeardLeft) this.#repeat();
    const nodes: KadNode[] = [];
    for (const candidate of this.#closest()) {
      if (this.#inFlight >= this.#alpha || this.#asked >= MAX_ASKED) break;
      if (candidate.state !== 'heard') continue;
      candidate.state = 'asked';
      this.#inFlight++;
      this.#asked++;
      nodes.push(candidate.node);
    }
    return nodes;
  }

  /**
   * The whole answer of a node that was asked; one that comes after `failed` is taken too, unless the node is to be
   * asked at another place. Gives those of `found`, of which the first 16 count, that this lookup did not know: also
   * one that has failed, at a place that is new.
   */
  answered(id: Uint8Array, found: readonly KadNode[]): KadNode[] {
    const candidate = this.#seen.get(toBareHex(id));
    if (candidate === undefined || candidate.state === 'heard' || candidate.state === 'answered') return [];
    if (candidate.state === 'asked') this.#inFlight--;
    candidate.state = 'answered';
    return found.slice(0, MAX_FOUND).filter((node) => this.#hear(node));
  }

  /**
   * A node that was asked gave no answer: it is no longer one of the closest, unless it is known at another place, or its record
   * names one, where it is to be asked. Gives it there, if that is new.
   */
  failed(id: Uint8Array): KadNode | undefined {
    const candidate = this.#seen.get(toBareHex(id));
    if (candidate?.state !== 'asked') return undefined;
    this.#inFlight--;
    candidate.state = 'failed';
    const place = this.#moved(candidate);
    return candidate.isRepeated ? undefined : place;
  }

  /** How many questions there have been. */
  get asked(): number {
    return this.#asked;
  }

  /** Nobody is left to be asked, and nobody's answer is awaited. */
  get done(): boolean {
    if (this.#inFlight > 0) return false;
    if (this.#asked >= MAX_ASKED) return true;
    return !this.#isHeardLeft && this.#doubtful().length === 0;
  }

  /** Whether one is left that has not been asked. */
  get #isHeardLeft(): boolean {
    return this.#closest().some(({ state }) => state === 'heard');
  }

  /** Those that have failed once, and would be among the closest k if they answered. */
  #doubtful(): Candidate[] {
    const mayAnswer = ({ state, isRepeated }: Candidate): boolean => state !== 'failed' || !isRepeated;
    return this.#within(mayAnswer).filter(({ state }) => state === 'failed');
  }

  #repeat(): void {
    for (const candidate of this.#doubtful()) {
      candidate.isRepeated = true;
      this.#place(candidate, candidate.places[0]);
    }
  }

  /** The closest k that answered, nearest first. */
  get result(): KadNode[] {
    return this.#within(({ state }) => state === 'answered').map(({ node }) => node);
  }

  /** The closest k that have not failed. */
  #closest(): Candidate[] {
    return this.#within(({ state }) => state !== 'failed');
  }

  /**
   * The closest k of which something holds, and of each network no more than a bucket and a table take: whoever has many
   * keys in few networks would else be all that lookups find, though it is little of the table.
   */
  #within(holds: (candidate: Candidate) => boolean): Candidate[] {
    const closest: Candidate[] = [];
    const ofBucket = new NetworkCounts(BUCKET_NETWORK_LIMIT);
    const ofTable = new NetworkCounts(TABLE_NETWORK_LIMIT);
    for (const candidate of this.#candidates) {
      if (closest.length >= this.#k) break;
      const { networks } = candidate;
      if (!holds(candidate)) continue;
      if (networks !== undefined) {
        if (!ofBucket.hasRoom(networks.ofBucket) || !ofTable.hasRoom(networks.ofTable)) continue;
        ofBucket.add(networks.ofBucket);
        ofTable.add(networks.ofTable);
      }
      closest.push(candidate);
    }
    return closest;
  }

  /** Whether the node is a new one, to be asked there. */
  #hear(node: KadNode): boolean {
    const key = toBareHex(node.id);
    if (key === this.#localKey) return false;
    const known = this.#seen.get(key);
    if (known !== undefined) return this.#hearAgain(known, node);
    const candidate: Candidate = {
      node,
      networks: networksOf(node.ip),
      places: [node],
      named: 1,
      state: 'heard',
      isRepeated: false,
    };
    this.#seen.set(key, candidate);
    this.#candidates.splice(this.#rank(node.id), 0, candidate);
    return true;
  }

  #hearAgain(known: Candidate, node: KadNode): boolean {
    const { places } = known;
    const isNewest = places.every(({ record }) => newestRecord(record, node.record) !== record);
    const at = places.findIndex((place) => sameEndpoint(place, node));
    if (at >= 0) {
      if (isNewest && places[at] === known.node) known.node = node;
      if (isNewest) places[at] = node;
      return false;
    }
    if (isNewest) this.#leaveOlder(known);
    if (known.named >= (isNewest ? MAX_PLACES_OF_NEWEST : MAX_PLACES)) return false;
    places.push(node);
    known.named++;
    return known.state === 'failed' && this.#moved(known) !== undefined;
  }

  /** Where older records say that a node is it is not asked any more. */
  #leaveOlder(candidate: Candidate): void {
    // All have been asked once.
    if (candidate.isRepeated) return;
    const { places, node } = candidate;
    candidate.named -= places.splice(places.indexOf(node) + 1).length;
  }

  /** Takes one that has failed to the next place, if there is one. */
  #moved(candidate: Candidate): KadNode | undefined {
    const { places, node } = candidate;
    const next = places.indexOf(node) + 1;
    const other = this.#otherPlace(node);
    if (other !== undefined && !places.some((place) => sameEndpoint(place, other)))
      places.splice(next, 0, other);
    return this.#place(candidate, places[next]);
  }

  /** The node is to be asked there. */
  #place(candidate: Candidate, place: KadNode | undefined): KadNode | undefined {
    if (place === undefined) return undefined;
    candidate.node = place;
    candidate.networks = networksOf(place.ip);
    candidate.state = 'heard';
    return place;
  }

  #rank(id: Uint8Array): number {
    let [low, high] = [0, this.#candidates.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      const other = this.#candidates[middle];
      if (other !== undefined && compareDistance(this.#target, other.node.id, id) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
