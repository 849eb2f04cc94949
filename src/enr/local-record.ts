/** The record of the node itself, which changes while the node runs. */
import { equalBytes } from '../base/bytes.ts';
import { checkObject, invalidArgument as invalid } from '../base/checks.ts';
import { PeerlaneError } from '../base/errors.ts';
import { detached } from '../base/observer.ts';
import { publicKeyOf } from '../crypto/index.ts';
import { checkRecord, type NodeRecord } from './record.ts';
import {
  changedPairs,
  checkPairs,
  contentRead,
  type EntryChanges,
  identityPairs,
  type OtherChanges,
  type Pairs,
  type RecordContent,
  signPairs,
} from './sign.ts';

const SEQ_LIMIT = 1n << 64n;

/**
 * The sequence number for a node that starts: above the highest that it has `stored` if it stored one, and at least
 * the time, so that a node that lost what it stored is believed all the same.
 *
 * @param unixTime milliseconds
 * @throws PeerlaneError `invalid-argument` for a time that is none, and for a stored number that leaves no room
 */
export function firstSeq(unixTime: number, stored?: bigint): bigint {
  if (!Number.isFinite(unixTime) || unixTime < 0) throw invalid('the time is not a number of milliseconds');
  const time = BigInt(Math.floor(unixTime));
  if (time >= SEQ_LIMIT) throw invalid('the time has more than 64 bits');
  if (stored === undefined) return time;
  if (typeof stored !== 'bigint' || stored < 0n || stored >= SEQ_LIMIT - 1n) {
    throw invalid('the stored sequence number is not one that can be counted up');
  }
  return stored < time ? time : stored + 1n;
}

/**
 * A record that counts up whenever an entry changes (enr.md, "Record Structure"), and is signed when somebody wants
 * to see it.
 *
 * ```js
 * const local = new LocalRecord(key, { seq: firstSeq(env.unixTime(), stored) });
 * local.subscribe(({ seq }) => store(seq));
 * local.update({ ip: '203.0.113.7', udp: 30303 });
 * ```
 */
export class LocalRecord {
  /** 64 bytes. */
  readonly publicKey: Uint8Array;
  readonly #secretKey: Uint8Array;
  /** Of each subscription: the same function may have several. */
  readonly #listeners = new Map<symbol, (local: LocalRecord) => void>();
  #seq: bigint;
  #pairs: Pairs;
  #signed: NodeRecord | undefined;

  /** @throws PeerlaneError as `signRecord` */
  constructor(secretKey: Uint8Array, content: RecordContent) {
    this.publicKey = publicKeyOf(secretKey);
    const { seq, entries, others } = contentRead(content);
    // Whoever has the key may clear it.
    this.#secretKey = new Uint8Array(secretKey);
    this.#seq = seq;
    this.#pairs = changedPairs(identityPairs(this.publicKey), entries, others);
    checkPairs(seq, this.#pairs);
  }

  /**
   * A local record that goes on from `record`: with its number and all its entries, those that nobody here knows too.
   * @throws PeerlaneError `invalid-secret-key`; `invalid-argument` if the record is not of this key
   */
  static from(secretKey: Uint8Array, record: NodeRecord): LocalRecord {
    checkRecord(record);
    const local = new LocalRecord(secretKey, { seq: record.seq });
    if (!equalBytes(local.publicKey, record.publicKey)) throw invalid('the record is not of this key');
    local.#pairs = record.pairs;
    local.#signed = record;
    return local;
  }

  get seq(): bigint {
    return this.#seq;
  }

  /** The record as it stands; the same object until it changes. */
  get record(): NodeRecord {
    this.#signed ??= signPairs(this.#secretKey, this.publicKey, this.#seq, this.#pairs);
    return this.#signed;
  }

  /**
   * Sets entries, or takes them out: `undefined`. When that changes anything, the sequence number goes up by one and
   * the listeners are told. After an error all is as it was.
   *
   * @param others entries that are not in `Entries`: the RLP of each value
   * @returns whether anything has changed
   * @throws PeerlaneError `invalid-argument` for a value or key that does not fit its type; `invalid-record` if the
   * record would have more than 300 bytes, or the sequence number more than 64 bits
   */
  update(entries: EntryChanges, others?: OtherChanges): boolean {
    checkObject('entries', entries);
    const pairs = changedPairs(this.#pairs, entries, others);
    if (equalPairs(pairs, this.#pairs)) return false;
    const seq = this.#seq + 1n;
    if (seq >= SEQ_LIMIT) throw new PeerlaneError('invalid-record', 'the sequence number cannot go up');
    checkPairs(seq, pairs);
    this.#seq = seq;
    this.#pairs = pairs;
    this.#signed = undefined;
    for (const [subscription, listener] of [...this.#listeners]) {
      // One that was told before may have ended this one.
      if (this.#listeners.has(subscription)) detached(listener)(this);
    }
    return true;
  }

  /** Calls `listener` after each change; one that throws is reported as an uncaught error. @returns what ends that */
  subscribe(listener: (local: LocalRecord) => void): () => void {
    if (typeof listener !== 'function') throw invalid('a listener is a function');
    const subscription = Symbol('subscription');
    this.#listeners.set(subscription, listener);
    return () => void this.#listeners.delete(subscription);
  }
}

function equalPairs(a: Pairs, b: Pairs): boolean {
  if (a.size !== b.size) return false;
  for (const [key, value] of a) {
    const other = b.get(key);
    if (other === undefined || !equalBytes(value, other)) return false;
  }
  return true;
}
