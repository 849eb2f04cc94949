/** Answers to REGTOPIC and TOPICQUERY (discv5-wire.md), as a registrar. */
import { equalBytes } from '../../base/bytes.ts';
import type { Env } from '../../base/env.ts';
import type { NodeRecord } from '../../enr/index.ts';
import { type KadNode, mayRelay, type Origin, type Table } from '../../kad/index.ts';
import { KnownLimit } from '../known-limit.ts';
import { KnownRecords } from '../known-records.ts';
import { encodeMessage, type RegTopic, type TopicQuery } from '../messages.ts';
import { MAX_ANSWER_MESSAGES } from '../questions.ts';
import type { Remote } from '../remote.ts';
import { spreadRecords, writeRecords } from '../spread-records.ts';
import type { Wire } from '../wire.ts';
import { type AuxiliaryRequest, chooseAuxiliary } from './auxiliary.ts';
import { takesPart } from './capability.ts';
import type { KnownRegistrars } from './known-registrars.ts';
import { newestOf } from './newest.ts';
import { FEW_REGISTRARS, TOPIC_REQUEST_RATES, type TopicParameters, topicParameters } from './parameters.ts';
import { Registrar } from './registrar.ts';
import { TICKET_LENGTH } from './tickets.ts';
import type { TopicAnswerCounts } from './topic-stats.ts';

/** Who asks. */
export interface TopicAsker {
  readonly remote: Remote;
  readonly origin: Origin;
  /** The record that came with its handshake, if it is known. */
  readonly record: NodeRecord | undefined;
}

export interface TopicResponderContext {
  readonly wire: Wire;
  readonly table: Table;
  /** 32 bytes. */
  readonly localId: Uint8Array;
  readonly randomBytes: Env['randomBytes'];
  readonly parameters: Partial<TopicParameters>;
  readonly known: KnownRegistrars;
  /** An advertisement has been let in, or renewed. */
  registered(topic: Uint8Array, record: NodeRecord): void;
}

export class TopicResponder {
  readonly #context: TopicResponderContext;
  readonly #e: number;
  #made: Registrar | undefined;
  readonly #limit = new KnownLimit(TOPIC_REQUEST_RATES);
  /** Not those of answers: whoever asks with ever new records drives none of these out. */
  readonly #known = new KnownRecords();
  readonly #counts: Record<keyof TopicAnswerCounts, number> = {
    ...{ admitted: 0, wait: 0, refused: 0, queried: 0, invalid: 0, shed: 0 },
  };

  /** @throws PeerlaneError `invalid-argument` */
  constructor(context: TopicResponderContext) {
    this.#context = context;
    this.#e = topicParameters(context.parameters).e;
  }

  /** Made when somebody comes: most nodes of a test, or of a simulation, are never asked. */
  get #registrar(): Registrar {
    this.#made ??= new Registrar(this.#context);
    return this.#made;
  }

  /** Advertisers that are kept for others: the last answer to a search of our own. */
  advertisers(topic: Uint8Array, now: number, reaches: (ip: string) => boolean): KadNode[] {
    return this.#made?.advertisers(topic, now, reaches) ?? [];
  }

  /** What is kept for others. */
  kept(now: number): { readonly ads: number; readonly topics: number } {
    this.#made?.expire(now);
    return this.#made?.stats ?? { ads: 0, topics: 0 };
  }

  get counts(): TopicAnswerCounts {
    return { ...this.#counts };
  }

  /** Addresses and subnets whose rates are remembered. */
  get rated(): number {
    return this.#limit.size;
  }

  /** One REGCONFIRMATION, and NODES behind it. */
  register(asker: TopicAsker, { requestId, topic, record, ticket, distances }: RegTopic, now: number): void {
    if (!this.#admits(asker, now)) return;
    const known = this.#recordOf(asker, record, now);
    if (known === 'shed') {
      this.#counts.shed++;
      return;
    }
    if (known === undefined) {
      this.#counts.invalid++;
      this.#refuse(asker, requestId);
      return;
    }
    const { id, endpoint } = asker.remote;
    const sender = { id, ip: endpoint.ip };
    const outcome = this.#registrar.register({ topic, record: known, ticket, sender, now });
    this.#counts[outcome.kind]++;
    if (outcome.kind === 'refused') {
      this.#refuse(asker, requestId);
      return;
    }
    // Of one that was there already, less is left.
    if (outcome.kind === 'admitted' && outcome.lifetimeMs === this.#e)
      this.#context.registered(topic.slice(), known);
    const auxiliary = this.#auxiliary(asker, { topic, distances, asker: id }, now);
    const total = 1 + auxiliary.length;
    const said =
      outcome.kind === 'wait'
        ? { ticket: outcome.ticket, waitMs: outcome.waitMs }
        : { ticket: new Uint8Array(), waitMs: outcome.lifetimeMs };
    const { wire } = this.#context;
    wire.write(asker.remote, encodeMessage({ kind: 'regConfirmation', requestId, total, ...said }));
    writeRecords(wire, asker.remote, { kind: 'nodes', requestId, total }, auxiliary);
  }

  /** There is always an answer, and none that means no: a wait as long as any, and a ticket that says nothing, so that none is saved up. */
  #refuse({ remote }: TopicAsker, requestId: Uint8Array): void {
    const { wire, randomBytes } = this.#context;
    const said = { ticket: randomBytes(TICKET_LENGTH), waitMs: this.#e };
    wire.write(remote, encodeMessage({ kind: 'regConfirmation', requestId, total: 1, ...said }));
  }

  /** TOPICNODES, without any record where nothing is advertised, so that nobody waits in vain; and NODES behind them. */
  query(asker: TopicAsker, { requestId, topic, distances }: TopicQuery, now: number): void {
    if (!this.#admits(asker, now)) return;
    this.#counts.queried++;
    // Nobody out in the net is told of those of a LAN.
    const mayTell = (ip: string): boolean => mayRelay(asker.remote.endpoint.ip, ip);
    const records = this.#registrar.query(topic, now, mayTell).map(({ encoded }) => encoded);
    const found = spreadRecords(records, MAX_ANSWER_MESSAGES);
    const auxiliary = this.#auxiliary(asker, { topic, distances, asker: asker.remote.id }, now);
    const total = found.length + auxiliary.length;
    const { wire } = this.#context;
    writeRecords(wire, asker.remote, { kind: 'topicNodes', requestId, total }, found);
    writeRecords(wire, asker.remote, { kind: 'nodes', requestId, total }, auxiliary);
  }

  #admits({ origin }: TopicAsker, now: number): boolean {
    const isAdmitted = this.#limit.admits(origin, now);
    if (isAdmitted) this.#limit.spend(origin, 1, 0, now);
    else this.#counts.shed++;
    return isAdmitted;
  }

  /** The record that is to be advertised, which most often is the one that is known: to check another one takes time. */
  #recordOf(
    { record: known, origin }: TopicAsker,
    encoded: Uint8Array,
    now: number,
  ): NodeRecord | 'shed' | undefined {
    if (known !== undefined && equalBytes(known.encoded, encoded)) return known;
    const { limits } = this.#context.wire;
    if (!limits.hasTimeToCheck(origin, now)) return 'shed';
    return limits.check(origin, now, () => this.#known.read(encoded));
  }

  #auxiliary({ remote }: TopicAsker, request: AuxiliaryRequest, now: number): Uint8Array[][] {
    const { table, known, randomBytes } = this.#context;
    const live = table.live().filter(takesPart);
    // Where few take part, each of them knows of few by its table alone.
    const others =
      live.length < FEW_REGISTRARS ? known.recent(now).filter(({ id }) => !table.isLive(id)) : [];
    const nodes = [...live, ...others.map((node) => newestOf(table, node))].filter(({ ip }) =>
      mayRelay(remote.endpoint.ip, ip),
    );
    const records = chooseAuxiliary(request, nodes, randomBytes).map(({ encoded }) => encoded);
    return records.length === 0 ? [] : spreadRecords(records, MAX_ANSWER_MESSAGES);
  }
}
