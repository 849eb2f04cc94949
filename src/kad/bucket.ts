import { BUCKET_NETWORK_LIMIT, type Networks } from './ip-limits.ts';
import type { KadNode } from './node.ts';

/** Kademlia's k: entries of a bucket (discv4.md, "Kademlia Table"). */
export const BUCKET_SIZE = 16;
/** Nodes of a bucket that wait for an entry to go. */
export const REPLACEMENTS = 10;

/** What a table knows about a node. */
export class Entry {
  readonly key: string;
  readonly bucket: Bucket;
  node: KadNode;
  /** Those that it counts for. */
  networks: readonly Networks[];
  isReplacement: boolean;
  /** It has written to us from this endpoint, or answered there. */
  isProven: boolean;
  /** The address from which it has written to us if nobody but itself says that it is here. */
  from: string | undefined;
  /** It has been looked for at the other place of its record since it answered last, and is here for that. */
  hasTurned = false;
  /** It has passed a check at this endpoint, and not been given up since. */
  isLive = false;
  /** A check is under way. The entry is then on no list. */
  isChecking = false;
  /** Checks in a row that it left without an answer. */
  misses = 0;
  /** Requests in a row that failed. */
  failures = 0;
  /** The list on which it waits for its next check, and where there. */
  list: 'fast' | 'slow' | undefined;
  listIndex = 0;

  constructor(
    key: string,
    node: KadNode,
    bucket: Bucket,
    { networks, isProven, from }: Pick<Entry, 'networks' | 'isProven' | 'from'>,
  ) {
    this.key = key;
    this.node = node;
    this.bucket = bucket;
    this.networks = networks;
    this.isProven = isProven;
    this.from = from;
    this.isReplacement = bucket.isFull;
  }
}

/** The nodes at one log-distance. There are replacements only while the entries are full. */
export class Bucket {
  /** 1..256 */
  readonly distance: number;
  /** The least recently seen first. */
  readonly entries: Entry[] = [];
  /** The least recently seen first. */
  readonly replacements: Entry[] = [];

  constructor(distance: number) {
    this.distance = distance;
  }

  get isFull(): boolean {
    return this.entries.length >= BUCKET_SIZE;
  }

  /** Whether the limit leaves room for one more node of a network. To look is as quick as to keep count. */
  hasRoom(network: string): boolean {
    let count = 0;
    const isOf = ({ networks }: Entry): boolean => networks.some(({ ofBucket }) => ofBucket === network);
    for (const entry of this.entries) if (isOf(entry)) count++;
    for (const entry of this.replacements) if (isOf(entry)) count++;
    return count < BUCKET_NETWORK_LIMIT;
  }

  add(entry: Entry): void {
    this.#listOf(entry).push(entry);
  }

  remove(entry: Entry): void {
    const list = this.#listOf(entry);
    list.splice(list.indexOf(entry), 1);
  }

  /** Moves to the most recently seen end. */
  touch(entry: Entry): void {
    this.remove(entry);
    this.add(entry);
  }

  /**
   * Which replacement makes room for a new one; `undefined` if none does. Whoever has written to us is not pushed
   * out by nodes that others may have made up, and nobody by those who say themselves that they are elsewhere.
   */
  victim({ isProven, from }: Pick<Entry, 'isProven' | 'from'>): Entry | undefined {
    if (from !== undefined) return undefined;
    const unproven =
      this.replacements.find((entry) => entry.from !== undefined) ??
      this.replacements.find((entry) => !entry.isProven);
    return unproven ?? (isProven ? this.replacements[0] : undefined);
  }

  /** Those of the replacements of which one becomes an entry next: whoever says that it is elsewhere waits for the others. */
  get next(): readonly Entry[] {
    const others = this.replacements.filter((entry) => entry.from === undefined);
    return others.length > 0 ? others : this.replacements;
  }

  #listOf(entry: Entry): Entry[] {
    return entry.isReplacement ? this.replacements : this.entries;
  }
}
