import { toBareHex } from '../../base/bytes.ts';
import { setLatest } from '../../base/recent.ts';
import type { KadNode } from '../../kad/index.ts';
import { KNOWN_MS, MAX_KNOWN } from './parameters.ts';

interface Known {
  readonly node: KadNode;
  readonly answeredAt: number;
}

/**
 * Registrars that have answered questions about topics: where few nodes take part, the ordinary table has no room for most of
 * those that do. The latest `MAX_KNOWN`, each for an hour.
 */
export class KnownRegistrars {
  /** Whoever has answered last stands last. */
  readonly #known = new Map<string, Known>();

  get size(): number {
    return this.#known.size;
  }

  answered(node: KadNode, now: number): void {
    setLatest(this.#known, toBareHex(node.id), { node, answeredAt: now }, MAX_KNOWN);
  }

  /** The node did not answer, or is gone. */
  remove(id: Uint8Array): void {
    this.#known.delete(toBareHex(id));
  }

  recent(now: number): KadNode[] {
    for (const [key, { answeredAt }] of this.#known) {
      if (now - answeredAt < KNOWN_MS) break;
      this.#known.delete(key);
    }
    return Array.from(this.#known.values(), ({ node }) => node);
  }
}
