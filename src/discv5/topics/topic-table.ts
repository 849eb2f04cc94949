import type { KadNode, LookupRun } from '../../kad/index.ts';
import { FEW_REGISTRARS, MAX_TOPIC_LOOKUP_MS, TABLE_FILL_MS, TOPIC_LOOKUP_MS } from './parameters.ts';
import { ServiceTable } from './service-table.ts';
import type { TopicContext } from './topic-context.ts';

/**
 * Keeps a service table (discv5-theory.md, "Bootstrap from Ordinary Node Discovery" and "Ongoing Maintenance"): from the ordinary
 * table again and again, and by lookups of the topic while it has few nodes.
 */
export class TopicTable {
  readonly table: ServiceTable;
  readonly #context: TopicContext;
  readonly #accepts: (node: KadNode) => boolean;
  readonly #changed: () => void;
  #fillAt = Number.NEGATIVE_INFINITY;
  #lookupAt = Number.NEGATIVE_INFINITY;
  #lookupMs = TOPIC_LOOKUP_MS;
  #lookup: LookupRun | undefined;

  /**
   * @param accepts which nodes may be asked
   * @param changed told when a lookup that was asked for has ended
   */
  constructor(
    context: TopicContext,
    topic: Uint8Array,
    accepts: (node: KadNode) => boolean,
    changed: () => void,
  ) {
    const { localId, exclusions } = context;
    this.#context = context;
    this.#accepts = accepts;
    this.#changed = changed;
    this.table = new ServiceTable({ topic, localId, exclusions });
  }

  get deadline(): number {
    return this.#fillAt;
  }

  get isLookingUp(): boolean {
    return this.#lookup !== undefined;
  }

  /** Takes up what the ordinary table knows, if it is time. Whether there are nodes that were not there. */
  fill(): boolean {
    const { agenda, table } = this.#context;
    const { now } = agenda;
    if (now < this.#fillAt) return false;
    this.#fillAt = now + TABLE_FILL_MS;
    return this.#add(table.live());
  }

  /** Looks the topic up where few nodes are known, and has not been for long. */
  lookUpIfFew(): void {
    const { now } = this.#context.agenda;
    if (this.table.size >= FEW_REGISTRARS || now < this.#lookupAt || this.isLookingUp) return;
    if (!this.#context.mayLookUp) return;
    this.#lookupAt = now + this.#lookupMs;
    this.#lookupMs = Math.min(2 * this.#lookupMs, MAX_TOPIC_LOOKUP_MS);
    this.lookUp();
  }

  /** Looks the topic up: those that answer are close to it, and are there. */
  lookUp(): void {
    const lookup = this.#context.lookUp(this.table.topic, {
      done: () => {
        if (this.#lookup !== lookup) return;
        this.#lookup = undefined;
        this.#add(lookup.result);
        this.#changed();
      },
    });
    this.#lookup = lookup;
    lookup.resume();
  }

  /** Nodes of an answer: they are checked like any that are named. Whether there are some that were not there. */
  named(nodes: readonly KadNode[]): boolean {
    const { agenda, table } = this.#context;
    const fresh = this.table.addAuxiliary(nodes.filter(this.#accepts), agenda.now);
    for (const node of fresh) table.addFound(node, agenda.now);
    return fresh.length > 0;
  }

  stop(): void {
    const lookup = this.#lookup;
    this.#lookup = undefined;
    lookup?.stop();
  }

  #add(nodes: readonly KadNode[]): boolean {
    const before = this.table.size;
    this.table.addLive(nodes.filter(this.#accepts), this.#context.agenda.now);
    return this.table.size > before;
  }
}
