import { toBareHex } from '../../base/bytes.ts';
import { setLatest } from '../../base/recent.ts';
import { EXCLUSION_MS, MAX_EXCLUDED, MAX_EXCLUSION_MS, MAX_TOPIC_FAILURES } from './parameters.ts';

interface Conduct {
  /** Failures in a row. */
  readonly failures: number;
  /** How often it was excluded since it last answered. */
  readonly times: number;
  readonly until: number;
}

const UNKNOWN: Conduct = { failures: 0, times: 0, until: Number.NEGATIVE_INFINITY };

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
  failed(id: Uint8Array, now: number): boolean {
    const key = toBareHex(id);
    const conduct = this.#conduct.get(key) ?? UNKNOWN;
    const failures = conduct.failures + 1;
    if (failures >= MAX_TOPIC_FAILURES) this.exclude(id, now);
    else setLatest(this.#conduct, key, { ...conduct, failures }, MAX_EXCLUDED);
    return failures >= MAX_TOPIC_FAILURES;
  }

  /** Leaves the node alone for a while, each time for twice as long. */
  exclude(id: Uint8Array, now: number): void {
    const key = toBareHex(id);
    const { times } = this.#conduct.get(key) ?? UNKNOWN;
    const until = now + Math.min(EXCLUSION_MS * 2 ** times, MAX_EXCLUSION_MS);
    setLatest(this.#conduct, key, { failures: 0, times: times + 1, until }, MAX_EXCLUDED);
  }

  /** The node has answered as it should. */
  succeeded(id: Uint8Array): void {
    this.#conduct.delete(toBareHex(id));
  }
}
