import {
  answerOf,
  checkBoolean,
  checkFunction,
  checkInteger,
  checkLength,
  checkObject,
  reading,
} from '../base/checks.ts';
import { BUCKET_SIZE } from './bucket.ts';
import { ID_LENGTH } from './distance.ts';
import type { KadNode } from './node.ts';
import type { ClosestOptions, Table, TableStats } from './table.ts';

/** What of a table may be seen from outside, as it is at the time. Node ids are 32 bytes. */
export class TableView {
  readonly #table: Table;

  /** @internal */
  constructor(table: Table) {
    this.#table = table;
  }

  /** An entry. @throws PeerlaneError `invalid-argument` */
  get(id: Uint8Array): KadNode | undefined {
    checkId(id);
    return this.#table.get(id);
  }

  /** Whether the node is an entry. @throws PeerlaneError `invalid-argument` */
  has(id: Uint8Array): boolean {
    checkId(id);
    return this.#table.has(id);
  }

  /** Whether the node is an entry that has passed a check. @throws PeerlaneError `invalid-argument` */
  isLive(id: Uint8Array): boolean {
    checkId(id);
    return this.#table.isLive(id);
  }

  /**
   * The `n` entries closest to `target`, a node id, nearest first.
   * @param n default: 16
   * @throws PeerlaneError `invalid-argument`, also when `accepts` throws, or gives a promise
   */
  closest(target: Uint8Array, n: number = BUCKET_SIZE, options: ClosestOptions = {}): KadNode[] {
    checkLength('the target', target, ID_LENGTH);
    checkInteger('n', n, 0, Number.MAX_SAFE_INTEGER);
    return this.#table.closest(target, n, checkedOptions(options));
  }

  /** Number of entries. */
  get size(): number {
    return this.#table.size;
  }

  /** Whether there is no entry. Sooner than to count them. */
  get isEmpty(): boolean {
    return this.#table.isEmpty;
  }

  /** All entries: the nearest bucket first, and in it the least recently seen. */
  entries(): KadNode[] {
    return this.#table.entries();
  }

  /** All that wait for an entry to go, in the same order. */
  replacements(): KadNode[] {
    return this.#table.replacements();
  }

  stats(): TableStats {
    return this.#table.stats();
  }
}

function checkId(id: Uint8Array): void {
  checkLength('the node id', id, ID_LENGTH);
}

function checkedOptions(options: ClosestOptions): ClosestOptions {
  const { onlyLive, accepts } = reading('the options of closest', () => {
    checkObject('the options of closest', options);
    const { onlyLive, accepts } = options;
    if (onlyLive !== undefined) checkBoolean('onlyLive', onlyLive);
    if (accepts !== undefined) checkFunction('accepts', accepts);
    return { onlyLive, accepts };
  });
  return { onlyLive, accepts: accepts && ((node) => answerOf('accepts', accepts, node)) };
}
