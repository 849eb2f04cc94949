import type { NodeRecord } from '../../enr/index.ts';
import type { KadNode } from '../../kad/index.ts';
import { askWhetherLive } from './liveness.ts';
import { newestOf } from './newest.ts';
import { FEW_REGISTRARS } from './parameters.ts';
import { type QueryToSend, Search } from './search.ts';
import type { TopicContext, TopicRun } from './topic-context.ts';
import { type Found, queryQuestion } from './topic-questions.ts';
import { TopicTable } from './topic-table.ts';

export interface TopicSearchEvents {
  /** Advertisers that were not found before. */
  found?(nodes: readonly KadNode[]): void;
  /** Enough were found, or nobody is left to be asked. */
  done?(): void;
}

/** One search for advertisers that goes on as long as it is told to: a `Search` with requests. */
export class TopicSearchRun implements TopicRun {
  readonly #context: TopicContext;
  readonly #events: TopicSearchEvents;
  readonly #table: TopicTable;
  readonly #search: Search;
  readonly #count: number;
  /** Until it is told to go on. */
  #isPaused = true;
  #isDone = false;
  /** There was no room for requests. */
  #isDue = false;

  /** @param count advertisers that are enough @throws PeerlaneError `invalid-argument` */
  constructor(context: TopicContext, topic: Uint8Array, count: number, events: TopicSearchEvents) {
    const { localId, randomBytes, parameters } = context;
    this.#context = context;
    this.#events = events;
    this.#count = count;
    this.#table = new TopicTable(
      context,
      topic,
      'search',
      (node) => node,
      () => this.advance(),
    );
    this.#search = new Search({
      ...{ table: this.#table.table, localId, randomBytes, parameters, fLookup: count },
    });
  }

  get isDone(): boolean {
    return this.#isDone;
  }

  get deadline(): number {
    return this.#isDue ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
  }

  /** No further registrar is asked until `resume`: answers that are on their way still count. */
  pause(): void {
    this.#isPaused = true;
    this.#context.ended(this);
  }

  resume(): void {
    if (this.#isDone) return;
    this.#isPaused = false;
    this.#context.begun(this);
    this.advance();
  }

  /** Ends the search, as if nobody were left. */
  stop(): void {
    if (this.#isDone) return;
    this.#isDone = true;
    this.#table.stop();
    this.#context.ended(this);
    this.#events.done?.();
  }

  /** Asks whom there is to ask. */
  advance(): void {
    if (this.#isPaused || this.#isDone) return;
    this.#isDue = this.#context.isFull;
    if (this.#isDue) return;
    this.#table.fill();
    for (const query of this.#search.next(this.#context.agenda.now)) this.#query(query);
    if (!this.#search.isDone) return;
    if (this.#search.found >= this.#count) this.stop();
    // Where few take part, or few are known, others may be found near the topic, and elsewhere.
    else if (!this.#table.isLookingUp && !(this.#isFew && this.#table.lookUp())) this.#endWithKept();
  }

  /**
   * Where few take part, what this node keeps itself may be all there is. It is the last answer: this is the one registrar that whoever
   * is after the searches of one node can choose.
   */
  #endWithKept(): void {
    const kept = this.#search.kept(
      this.#context.kept(this.#table.table.topic).map((node) => this.#newest(node)),
    );
    if (kept.length > 0) this.#events.found?.(kept);
    this.stop();
  }

  met(nodes: readonly KadNode[]): void {
    this.#table.met(nodes);
  }

  removed(id: Uint8Array): void {
    this.#table.table.remove(id);
  }

  get #isFew(): boolean {
    return this.#search.asked < FEW_REGISTRARS;
  }

  #query(query: QueryToSend): void {
    const { node } = query;
    const { ask, asked } = this.#context;
    const question = queryQuestion(asked(node), query, (found) => {
      if (this.#isDone) return;
      if (found === undefined) this.#unanswered(node);
      else this.#answered(node, found);
      this.advance();
    });
    ask(node, question);
  }

  /** Who has nothing to tell may say nothing: nobody is left alone, by other searches, who answers a Ping. */
  #unanswered(node: KadNode): void {
    const { agenda, known } = this.#context;
    const { id } = node;
    this.#search.unanswered(id);
    askWhetherLive(this.#context, node, (failure) => {
      if (failure !== 'silent') return;
      known.remove(id);
      this.#table.table.failed(id, agenda.now, failure);
    });
  }

  #answered(registrar: KadNode, { advertisers, auxiliary }: Found): void {
    const { agenda, known } = this.#context;
    known.answered(registrar, agenda.now);
    // Whoever has named them may not name them anywhere.
    const places = new Map(
      advertisers
        .map((node) => this.#newest(node))
        .flatMap((node): [NodeRecord, KadNode][] => (node.record === undefined ? [] : [[node.record, node]])),
    );
    const answer = { advertisers: [...places.keys()], auxiliary: [] };
    const fresh = this.#search.answered(registrar.id, answer, agenda.now, (record) => places.get(record));
    this.#table.named(auxiliary);
    if (fresh.length > 0) this.#events.found?.(fresh);
  }

  /** A registrar gives the record that it was given. */
  #newest(node: KadNode): KadNode {
    return newestOf(this.#context.table, node);
  }
}
