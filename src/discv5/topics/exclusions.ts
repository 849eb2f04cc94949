import { toBareHex } from '../../base/bytes.ts';
import { setLatest } from '../../base/recent.ts';
import { EXCLUSION_MS, MAX_EXCLUDED, MAX_EXCLUSION_MS, MAX_TOPIC_FAILURES } from './parameters.ts';

/** What a node has done: said nothing at all, or nothing of sense to a question about topics. */
export type TopicFailure = 'silent' | 'useless';

interface Conduct {
  /** Failures in a row. */
  readonly failures: number;
  /** How often it was excluded since it last answered. */
  readonly times: number;
  readonly until: number;
  /** It may have been our own network that was gone. */
  readonly isSilence: boolean;
}

const UNKNOWN: Conduct = { failures: 0, times: 0, until: Number.NEGATIVE_INFINITY, isSilence: true };

/**
 * Nodes that are of no use for topics at present, whatever they are for ordinary discovery (discv5-theory.md, "TopDisc
 * Liveness and Temporary Exclusion"): of all topics, the latest `MAX_EXCLUDED`.
 */
export class Exclusions {
  readonly #conduct = new Map<string, Conduct>();

  /** Nodes that are remembered. */
  get size(): number {
    return this.#conduct.size;
  }

  has(id: Uint8Array, now: number): boolean {
    return (this.#conduct.get(toBareHex(id)) ?? UNKNOWN).until > now;
  }

  /** The node did not answer, or not as it should. Whether it is excluded now. */
  failed(id: Uint8Array, now: number, failure: TopicFailure = 'useless'): boolean {
    const key = toBareHex(id);
    const conduct = this.#conduct.get(key) ?? UNKNOWN;
    const failures = conduct.failures + 1;
    const isSilence = conduct.isSilence && failure === 'silent';
    if (failures >= MAX_TOPIC_FAILURES) this.#exclude(key, now, isSilence);
    else setLatest(this.#conduct, key, { ...conduct, failures, isSilence }, MAX_EXCLUDED);
    return failures >= MAX_TOPIC_FAILURES;
  }

  /** Leaves the node alone for a while, each time for twice as long. */
  exclude(id: Uint8Array, now: number): void {
    this.#exclude(toBareHex(id), now, false);
  }

  #exclude(key: string, now: number, isSilence: boolean): void {
    const { times } = this.#conduct.get(key) ?? UNKNOWN;
    const until = now + Math.min(EXCLUSION_MS * 2 ** times, MAX_EXCLUSION_MS);
    setLatest(this.#conduct, key, { failures: 0, times: times + 1, until, isSilence }, MAX_EXCLUDED);
  }

  /** The node has answered as it should. */
  succeeded(id: Uint8Array): void {
    this.#conduct.delete(toBareHex(id));
  }

  /** The node has answered whatever it was asked: if silence was all that it had done, that counts no more. */
  heard(id: Uint8Array): void {
    if (this.#conduct.size === 0) return;
    const key = toBareHex(id);
    if (this.#conduct.get(key)?.isSilence === true) this.#conduct.delete(key);
  }
}
