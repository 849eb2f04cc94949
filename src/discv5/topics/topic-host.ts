/** Topic discovery of one node, with packets: what it keeps for others, and what it advertises and searches itself. */
import { toBareHex } from '../../base/bytes.ts';
import { invalidArgument } from '../../base/checks.ts';
import { PeerlaneError } from '../../base/errors.ts';
import { RateLimit } from '../../base/rate-limit.ts';
import type { KadNode } from '../../kad/index.ts';
import type { RegTopic, TopicQuery } from '../messages.ts';
import type { Question } from '../requests.ts';
import type { Wire } from '../wire.ts';
import { type AdvertisementEvents, AdvertisementRun } from './advertisement-run.ts';
import { takesPart } from './capability.ts';
import { Exclusions } from './exclusions.ts';
import { KnownRegistrars } from './known-registrars.ts';
import {
  FURTHER_LOOKUPS,
  MAX_ADVERTISEMENTS,
  MAX_TOPIC_LOOKUPS,
  MAX_TOPIC_REQUESTS,
  type TopicParameters,
} from './parameters.ts';
import { type TopicSearchEvents, TopicSearchRun } from './search-run.ts';
import type { TopicContext, TopicEngine, TopicRun } from './topic-context.ts';
import { type TopicAsker, TopicResponder } from './topic-responder.ts';
import type { TopicStats } from './topic-stats.ts';

export interface TopicHostOptions {
  readonly engine: TopicEngine;
  readonly wire: Wire;
  readonly parameters: Partial<TopicParameters>;
}

export class TopicHost {
  readonly #engine: TopicEngine;
  readonly #context: TopicContext;
  readonly #responder: TopicResponder;
  readonly #advertisements = new Map<string, AdvertisementRun>();
  /** Those, and searches: whoever has had its turn stands behind the others. */
  readonly #runs = new Set<TopicRun>();
  readonly #known = new KnownRegistrars();
  readonly #further = new RateLimit(FURTHER_LOOKUPS, 1);
  #requests = 0;
  #lookups = 0;
  /** Of all runs, until one of them has done something: each datagram asks when there is something to do. */
  #earliest: number | undefined;

  /** @throws PeerlaneError `invalid-argument` */
  constructor({ engine, wire, parameters }: TopicHostOptions) {
    const { table, localId, randomBytes } = engine;
    this.#engine = engine;
    this.#responder = new TopicResponder({
      ...{ wire, table, localId, randomBytes, parameters, known: this.#known },
      registered: (topic, record) => engine.event({ kind: 'topic-registered', topic, record }),
    });
    const isFull = (): boolean => this.#isFull;
    const mayLookUp = (): boolean => this.#lookups < MAX_TOPIC_LOOKUPS;
    const known = this.#known;
    this.#context = {
      ...engine,
      parameters,
      exclusions: { register: new Exclusions(), search: new Exclusions() },
      known,
      get isFull() {
        return isFull();
      },
      get mayLookUp() {
        return mayLookUp();
      },
      kept: (topic) => this.#responder.advertisers(topic, engine.agenda.now, engine.reaches),
      burden: (id) => this.#burden(id),
      mayLookFurther: () => this.#further.take('', engine.agenda.now),
      lookUp: (target, events) => {
        this.#lookups++;
        const done = (): void => {
          this.#lookups--;
          events.done?.();
          this.#earliest = undefined;
        };
        return engine.lookUp(target, { ...events, found: (nodes) => this.#met(nodes), done });
      },
      ask: (node, question) => {
        engine.ask(node, this.#counted(question));
        this.#requests++;
        this.#earliest = undefined;
      },
      begun: (run) => {
        this.#runs.add(run);
        this.#earliest = undefined;
      },
      ended: (run) => this.#ended(run),
    };
  }

  /** A REGTOPIC has come. */
  register(asker: TopicAsker, message: RegTopic): void {
    this.#responder.register(asker, message, this.#engine.agenda.now);
  }

  /** A TOPICQUERY has come. */
  query(asker: TopicAsker, message: TopicQuery): void {
    this.#responder.query(asker, message, this.#engine.agenda.now);
  }

  /**
   * Begins to advertise a topic, 32 bytes, until the run is stopped.
   * @throws PeerlaneError `invalid-argument` for one that is advertised already, `request-overload`
   */
  advertise(topic: Uint8Array, events: AdvertisementEvents): AdvertisementRun {
    const key = toBareHex(topic);
    if (this.#advertisements.has(key)) throw invalidArgument('the topic is advertised already');
    if (this.#advertisements.size >= MAX_ADVERTISEMENTS) {
      throw new PeerlaneError('request-overload', `${MAX_ADVERTISEMENTS} topics are advertised already`);
    }
    const run = new AdvertisementRun(this.#context, topic, events);
    this.#advertisements.set(key, run);
    this.#runs.add(run);
    run.advance();
    this.#earliest = undefined;
    return run;
  }

  /** A search that asks nobody before it is resumed. @throws PeerlaneError `invalid-argument` */
  search(topic: Uint8Array, count: number, events: TopicSearchEvents): TopicSearchRun {
    return new TopicSearchRun(this.#context, topic, count, events);
  }

  get deadline(): number {
    if (this.#isFull) return Number.POSITIVE_INFINITY;
    if (this.#earliest === undefined) {
      this.#earliest = Number.POSITIVE_INFINITY;
      for (const run of this.#runs) this.#earliest = Math.min(this.#earliest, run.deadline);
    }
    return this.#earliest;
  }

  /** Lets all go on that have something to do. */
  advance(): void {
    for (const run of [...this.#runs]) {
      if (this.#isFull) break;
      if (run.deadline > this.#engine.agenda.now) continue;
      const before = this.#requests;
      run.advance();
      if (this.#requests > before && this.#runs.delete(run)) this.#runs.add(run);
    }
    this.#earliest = undefined;
  }

  /** A node has answered a question of any kind. */
  heard(id: Uint8Array): void {
    const { register, search } = this.#context.exclusions;
    register.heard(id);
    search.heard(id);
    for (const run of this.#advertisements.values()) if (run.heard(id)) this.#earliest = undefined;
  }

  /** A node has gone from the ordinary table. */
  removed(id: Uint8Array): void {
    this.#known.remove(id);
    for (const run of this.#runs) run.removed(id);
    this.#earliest = undefined;
  }

  get stats(): TopicStats {
    return {
      ...this.#responder.kept(this.#engine.agenda.now),
      answers: this.#responder.counts,
      advertisements: this.#advertisements.size,
      searches: this.#runs.size - this.#advertisements.size,
      requests: this.#requests,
    };
  }

  /** Addresses and subnets whose rates are remembered, nodes that are left alone, and registrars that have answered. */
  get remembered(): number {
    const { register, search } = this.#context.exclusions;
    return this.#responder.rated + register.size + search.size + this.#known.size;
  }

  /** Of an answer to a lookup: where few take part, each of them counts, for whatever topic it was. */
  #met(nodes: readonly KadNode[]): void {
    const fresh = nodes.filter(takesPart);
    if (fresh.length === 0) return;
    for (const run of [...this.#runs]) run.met(fresh);
    this.#earliest = undefined;
  }

  #burden(id: Uint8Array): number {
    let burden = 0;
    for (const run of this.#advertisements.values()) if (run.isAt(id)) burden++;
    return burden;
  }

  get #isFull(): boolean {
    return this.#requests >= MAX_TOPIC_REQUESTS || this.#engine.room.isFull;
  }

  /** The question, among the requests of topics until it has ended; then others have a turn. */
  #counted(question: Question): Question {
    return {
      ...question,
      ended: (failure) => {
        this.#requests--;
        question.ended(failure);
        this.advance();
      },
    };
  }

  #ended(run: TopicRun): void {
    this.#earliest = undefined;
    this.#runs.delete(run);
    if (run instanceof AdvertisementRun) this.#advertisements.delete(toBareHex(run.topic));
  }
}
