import { Bucket, type Entry } from './bucket.ts';
import { ID_LENGTH, logDistance } from './distance.ts';
import { NetworkCounts, type Networks, TABLE_NETWORK_LIMIT } from './ip-limits.ts';

/** Buckets by log-distance from `localId`; of the 256, those in use. */
export class Buckets {
  readonly #localId: Uint8Array;
  /** The nearest first. */
  readonly #inUse: Bucket[] = [];
  readonly #networks = new NetworkCounts(TABLE_NETWORK_LIMIT);

  constructor(localId: Uint8Array) {
    this.#localId = localId;
  }

  /** Those in use, the nearest first. */
  get all(): readonly Bucket[] {
    return this.#inUse;
  }

  /** The bucket for `id`, in use or new; `undefined` for our own id. */
  of(id: Uint8Array): Bucket | undefined {
    const distance = logDistance(this.#localId, id);
    if (distance === 0) return undefined;
    return this.#inUse.findLast((bucket) => bucket.distance === distance) ?? new Bucket(distance);
  }

  /** Whether the limits leave room in `bucket` for one more node of all these networks. */
  hasRoom(networks: readonly Networks[], bucket: Bucket): boolean {
    return networks.every(
      ({ ofBucket, ofTable }) => bucket.hasRoom(ofBucket) && this.#networks.hasRoom(ofTable),
    );
  }

  /**
   * A node that others have told of, without any word of its own, and that counts for the limits which keep one more node of
   * `networks` out of `bucket`; `undefined` if there is none. A replacement first, since nobody would ever check it.
   */
  hearsay(networks: Networks, bucket: Bucket): Entry | undefined {
    const [buckets, kind] = bucket.hasRoom(networks.ofBucket)
      ? [this.#inUse, 'ofTable' as const]
      : [[bucket], 'ofBucket' as const];
    const isInTheWay = (entry: Entry): boolean =>
      !entry.isProven && entry.networks.some((counted) => counted[kind] === networks[kind]);
    for (const list of ['replacements', 'entries'] as const) {
      for (const { [list]: entries } of buckets) {
        const found = entries.find(isInTheWay);
        if (found !== undefined) return found;
      }
    }
    return undefined;
  }

  add(entry: Entry): void {
    const { bucket } = entry;
    if (bucket.entries.length === 0) {
      const after = this.#inUse.findIndex(({ distance }) => distance > bucket.distance);
      this.#inUse.splice(after < 0 ? this.#inUse.length : after, 0, bucket);
    }
    bucket.add(entry);
    this.#count(entry);
  }

  remove(entry: Entry): void {
    const { bucket } = entry;
    bucket.remove(entry);
    this.#uncount(entry);
    if (bucket.entries.length === 0) this.#inUse.splice(this.#inUse.indexOf(bucket), 1);
  }

  /** Counts an entry for other networks from now on, if these have room for it. */
  relocate(entry: Entry, networks: readonly Networks[]): boolean {
    const before = entry.networks;
    this.#uncount(entry);
    entry.networks = [];
    const fits = this.hasRoom(networks, entry.bucket);
    entry.networks = fits ? networks : before;
    this.#count(entry);
    return fits;
  }

  /**
   * The buckets in the order of their distance to `target`: no node of one is closer than any of the one before. Where
   * the target differs from us in the bit that a bucket is named after, the bucket's nodes agree with the target in
   * that bit, and those of all nearer buckets do not; elsewhere it is the other way round.
   */
  *towards(target: Uint8Array): Generator<Bucket> {
    const differs = ({ distance }: Bucket): boolean => {
      const [at, bit] = positionOf(distance);
      return (((target[at] ?? 0) ^ (this.#localId[at] ?? 0)) & bit) !== 0;
    };
    for (const bucket of this.#inUse.toReversed()) if (differs(bucket)) yield bucket;
    for (const bucket of this.#inUse) if (!differs(bucket)) yield bucket;
  }

  #count({ networks }: Entry): void {
    for (const network of ofTable(networks)) this.#networks.add(network);
  }

  #uncount({ networks }: Entry): void {
    for (const network of ofTable(networks)) this.#networks.remove(network);
  }
}

/** Each once. */
function ofTable(networks: readonly Networks[]): Set<string> {
  return new Set(networks.map((network) => network.ofTable));
}

/** Where the bit stands that is the highest of all distances in a bucket: its byte, and the bit in it. */
function positionOf(distance: number): [at: number, bit: number] {
  return [ID_LENGTH - 1 - ((distance - 1) >> 3), 1 << ((distance - 1) & 7)];
}
