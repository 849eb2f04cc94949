/** The nodes that a dialer knows, in the order in which they may be dialed: a round looks at those at the front only. */
import { type Candidate, type CandidateChange, readyAt } from './dial-candidate.ts';
import type { DialCandidate } from './dial-plan.ts';
import { NetworkSlots } from './network-slots.ts';

interface Place {
  readonly candidate: Candidate;
  /** Of the candidate, when it was put here. */
  readonly readyAt: number;
  /** Among equals, the one that came first. */
  readonly number: number;
  readonly isStatic: boolean;
  /** Where it is, if it counts for its network: of a node that was found, for at an address there may be many that name each other. */
  readonly foundAt: string | undefined;
}

export interface DueQuery {
  readonly now: number;
  /** So many that are due are of interest. */
  readonly max: number;
  /** Whether a node is connected, or being dialed. */
  readonly isBusy: (key: string) => boolean;
  /** Not before `readyAt`. */
  readonly dueAt: (candidate: Candidate) => number;
}

export class Candidates implements Iterable<Candidate> {
  readonly #places = new Map<string, Place>();
  readonly #kept: Place[] = [];
  readonly #others: Place[] = [];
  readonly #slots: NetworkSlots;
  #added = 0;

  /** @param slots for nodes that are dialed and not static */
  constructor(slots: number) {
    this.#slots = new NetworkSlots(slots);
  }

  get(key: string): Candidate | undefined {
    return this.#places.get(key)?.candidate;
  }

  has(key: string): boolean {
    return this.#places.has(key);
  }

  /** Whether one more node that was found at an address is not too many of its network, connected ones included. */
  hasRoomAt(host: string): boolean {
    return this.#slots.crowded(host) === undefined;
  }

  /** In the order in which they came. */
  *[Symbol.iterator](): IterableIterator<Candidate> {
    for (const { candidate } of this.#places.values()) yield candidate;
  }

  add(candidate: Candidate): void {
    this.delete(candidate.key);
    this.#put(candidate, this.#added++);
  }

  delete(key: string): void {
    const place = this.#places.get(key);
    if (place === undefined) return;
    this.#places.delete(key);
    this.#leave(place);
  }

  /** The one way to change a candidate, be it here still or not. */
  change(candidate: Candidate, change: CandidateChange): void {
    Object.assign(candidate, change);
    const place = this.#places.get(candidate.key);
    if (place?.candidate !== candidate) return;
    this.#leave(place);
    this.#put(candidate, place.number);
  }

  /**
   * Those of one kind that are due, as far as `max`, and of the others as many as it takes to know when the next one is. The
   * earliest stand first, and those of one time as they came.
   */
  due(isStatic: boolean, { now, max, isBusy, dueAt }: DueQuery): DialCandidate[] {
    const found: DialCandidate[] = [];
    if (max <= 0) return found;
    let left = max;
    for (const { candidate, readyAt } of this.#listOf(isStatic)) {
      const { key } = candidate;
      if (isBusy(key)) continue;
      const at = dueAt(candidate);
      found.push({ key, isStatic, dueAt: at });
      if (at <= now && --left === 0) break;
      // Whoever comes later is due later, whatever else holds it up.
      if (at > now && at === readyAt) break;
    }
    return found;
  }

  /** Those of one kind that have waited for long enough by what has come of their dials. */
  ready(isStatic: boolean, now: number): Candidate[] {
    const list = this.#listOf(isStatic);
    return list.slice(0, indexIn(list, now, Number.POSITIVE_INFINITY)).map(({ candidate }) => candidate);
  }

  #listOf(isStatic: boolean): Place[] {
    return isStatic ? this.#kept : this.#others;
  }

  #put(candidate: Candidate, number: number): void {
    const { isFound, isStatic, target } = candidate;
    const foundAt = isFound && !isStatic ? target.host : undefined;
    const place = { candidate, readyAt: readyAt(candidate), number, isStatic, foundAt };
    this.#places.set(candidate.key, place);
    if (foundAt !== undefined) this.#slots.count(foundAt, 'add');
    const list = this.#listOf(place.isStatic);
    list.splice(indexIn(list, place.readyAt, number), 0, place);
  }

  #leave(place: Place): void {
    const { readyAt, number, isStatic, foundAt } = place;
    if (foundAt !== undefined) this.#slots.count(foundAt, 'remove');
    const list = this.#listOf(isStatic);
    list.splice(indexIn(list, readyAt, number), 1);
  }
}

/** How many stand before one of that time and number. */
function indexIn(list: readonly Place[], readyAt: number, number: number): number {
  let [low, high] = [0, list.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    const other = list[middle];
    if (other === undefined) break;
    const isBefore = other.readyAt < readyAt || (other.readyAt === readyAt && other.number < number);
    if (isBefore) low = middle + 1;
    else high = middle;
  }
  return low;
}
