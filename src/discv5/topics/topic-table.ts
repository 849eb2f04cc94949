import { ID_LENGTH, type KadNode, type LookupRun } from '../../kad/index.ts';
import { newestOf } from './newest.ts';
import {
  FEW_REGISTRARS,
  MAX_TOPIC_LOOKUP_MS,
  SERIES_LOOKUPS,
  TABLE_FILL_MS,
  TOPIC_LOOKUP_MS,
} from './parameters.ts';
import { ServiceTable } from './service-table.ts';
import type { TopicAim, TopicContext } from './topic-context.ts';

/**
 * Keeps a service table (discv5-theory.md, "Bootstrap from Ordinary Node Discovery" and "Ongoing Maintenance"): from the ordinary
 * table again and again, and while it has few nodes by series of lookups, first of the topic, then of any ids.
 */
export class TopicTable {
  readonly table: ServiceTable;
  readonly #context: TopicContext;
  readonly #askedAt: (node: KadNode) => KadNode | undefined;
  readonly #changed: () => void;
  #fillAt = Number.NEGATIVE_INFINITY;
  #seriesAt = Number.NEGATIVE_INFINITY;
  #seriesMs = TOPIC_LOOKUP_MS;
  /** Lookups of this series that are left. */
  #lookupsLeft = SERIES_LOOKUPS;
  #lookup: LookupRun | undefined;

  /**
   * @param askedAt where a node may be asked; `undefined`: nowhere
   * @param changed told of new nodes that a lookup has met, and when a lookup that was asked for has ended
   */
  constructor(
    context: TopicContext,
    topic: Uint8Array,
    aim: TopicAim,
    askedAt: (node: KadNode) => KadNode | undefined,
    changed: () => void,
  ) {
    const { localId, exclusions } = context;
    this.#context = context;
    this.#askedAt = askedAt;
    this.#changed = changed;
    this.table = new ServiceTable({ topic, localId, exclusions: exclusions[aim] });
  }

  get deadline(): number {
    return this.#fillAt;
  }

  get isLookingUp(): boolean {
    return this.#lookup !== undefined;
  }

  /** Takes up what the ordinary table knows, if it is time. Whether there are nodes that were not there. */
  fill(): boolean {
    const { agenda, table, known } = this.#context;
    const { now } = agenda;
    if (now < this.#fillAt) return false;
    this.#fillAt = now + TABLE_FILL_MS;
    const isNew = this.#add(table.live());
    return (this.#isFew && this.#add(known.recent(now))) || isNew;
  }

  /** Goes on with lookups where few nodes are known: a series of them begins when there has been none for long. */
  lookUpIfFew(): void {
    const { now } = this.#context.agenda;
    if (!this.#isFew || this.isLookingUp || !this.#context.mayLookUp) return;
    if (now >= this.#seriesAt) {
      this.#seriesAt = now + this.#seriesMs;
      this.#seriesMs = Math.min(2 * this.#seriesMs, MAX_TOPIC_LOOKUP_MS);
      this.#lookupsLeft = SERIES_LOOKUPS;
    }
    this.lookUp();
  }

  /**
   * Begins the next lookup of the series. Those that answer near the topic are there; the others that it meets, and that
   * take part, are named like any. `false` if the series is over, or no lookup of another id may be begun for now.
   */
  lookUp(): boolean {
    if (this.#lookupsLeft === 0) return false;
    const isFirst = this.#lookupsLeft === SERIES_LOOKUPS;
    if (!isFirst && !this.#context.mayLookFurther()) return false;
    this.#lookupsLeft--;
    const target = isFirst ? this.table.topic : this.#context.randomBytes(ID_LENGTH);
    const lookup = this.#context.lookUp(target, {
      done: () => {
        if (this.#lookup !== lookup) return;
        this.#lookup = undefined;
        const { result } = lookup;
        this.#add(result);
        // It has met all that there are.
        if (result.length < FEW_REGISTRARS) this.#lookupsLeft = 0;
        this.#changed();
      },
    });
    this.#lookup = lookup;
    lookup.resume();
    return true;
  }

  /** Nodes of an answer: they are checked like any that are named. Whether there are some that were not there. */
  named(nodes: readonly KadNode[]): boolean {
    const { agenda, table } = this.#context;
    const fresh = this.#hear(nodes);
    for (const node of fresh) table.addFound(node, agenda.now);
    return fresh.length > 0;
  }

  /** Nodes that take part, of an answer to a lookup of ours, which has them checked. */
  met(nodes: readonly KadNode[]): void {
    if (this.#hear(nodes).length > 0) this.#changed();
  }

  /** It has changed where nodes may be asked. */
  placesChanged(): void {
    this.table.move(this.#askedAt, this.#context.agenda.now);
    this.#fillAt = Number.NEGATIVE_INFINITY;
  }

  stop(): void {
    const lookup = this.#lookup;
    this.#lookup = undefined;
    lookup?.stop();
  }

  get #isFew(): boolean {
    return this.table.size < FEW_REGISTRARS;
  }

  #places(nodes: readonly KadNode[]): KadNode[] {
    const { table } = this.#context;
    return nodes.map((node) => this.#askedAt(newestOf(table, node))).filter((node) => node !== undefined);
  }

  #hear(nodes: readonly KadNode[]): KadNode[] {
    return this.table.addAuxiliary(this.#places(nodes), this.#context.agenda.now);
  }

  #add(nodes: readonly KadNode[]): boolean {
    const before = this.table.size;
    this.table.addLive(this.#places(nodes), this.#context.agenda.now);
    return this.table.size > before;
  }
}
