import { equalBytes } from '../../base/bytes.ts';
import { endpointsOfRecord, type NodeRecord } from '../../enr/index.ts';
import { type KadNode, otherPlace } from '../../kad/index.ts';
import { Advertiser, type AdvertiserStats, type RegistrationToSend } from './advertiser.ts';
import { type TopicNode, takesPart } from './capability.ts';
import { askWhetherLive } from './liveness.ts';
import { newestOf } from './newest.ts';
import { NO_PLACE_MS, REGISTRATION_ATTEMPTS } from './parameters.ts';
import type { TopicContext, TopicRun } from './topic-context.ts';
import { type Confirmation, registrationQuestion } from './topic-questions.ts';
import { TopicTable } from './topic-table.ts';

export interface AdvertisementEvents {
  /** A registrar has let the advertisement in, or renewed it. */
  admitted?(node: KadNode): void;
}

/** One topic that is advertised until `stop`: an `Advertiser` with requests. */
export class AdvertisementRun implements TopicRun {
  readonly #context: TopicContext;
  readonly #events: AdvertisementEvents;
  readonly #table: TopicTable;
  readonly #advertiser: Advertiser;
  #record: NodeRecord;
  /** The families by which others reach us: a registrar of another would refuse the record. */
  #families: ReadonlySet<boolean>;
  #noPlaceUntil = Number.NEGATIVE_INFINITY;
  #isStopped = false;

  /** @throws PeerlaneError `invalid-argument` */
  constructor(context: TopicContext, topic: Uint8Array, events: AdvertisementEvents) {
    const { randomBytes, parameters, localRecord } = context;
    this.#context = context;
    this.#events = events;
    this.#record = localRecord();
    this.#families = familiesOf(this.#record);
    const changed = (): void => this.#advertiser.tableChanged();
    this.#table = new TopicTable(context, topic, 'register', (node) => this.#askedAt(node), changed);
    const { burden } = context;
    const current = (node: KadNode): TopicNode | undefined => this.#current(node);
    this.#advertiser = new Advertiser({ table: this.#table.table, randomBytes, burden, current, parameters });
  }

  /** Whether that registrar has the advertisement, or is asked to. */
  isAt(id: Uint8Array): boolean {
    return this.#advertiser.isAt(id);
  }

  get topic(): Uint8Array {
    return this.#table.table.topic.slice();
  }

  get stats(): AdvertiserStats {
    return this.#isStopped ? { active: 0, pending: 0 } : this.#advertiser.stats;
  }

  get deadline(): number {
    if (this.#isStopped) return Number.POSITIVE_INFINITY;
    if (this.#families.size === 0) return this.#noPlaceUntil;
    return Math.min(this.#table.deadline, this.#advertiser.deadline);
  }

  /** Sends what is due. */
  advance(): void {
    if (this.#isStopped || !this.#isSomewhere()) return;
    const { agenda } = this.#context;
    if (this.#table.fill()) this.#advertiser.tableChanged();
    this.#table.lookUpIfFew();
    if (this.#context.isFull) return;
    for (const registration of this.#advertiser.next(agenda.now)) {
      this.#register(registration, REGISTRATION_ATTEMPTS);
    }
  }

  met(nodes: readonly KadNode[]): void {
    this.#table.met(nodes);
  }

  removed(id: Uint8Array): void {
    this.#table.table.remove(id);
  }

  /** A node has answered a question of any kind. Whether there may be something to do. */
  heard(id: Uint8Array): boolean {
    return this.#advertiser.heard(id);
  }

  /** Registrars are not told: what they have expires. */
  stop(): void {
    if (this.#isStopped) return;
    this.#isStopped = true;
    this.#table.stop();
    this.#context.ended(this);
  }

  /** Whether our record says where we are: no registrar takes it else. A new one is advertised from now on. */
  #isSomewhere(): boolean {
    const { localRecord, agenda } = this.#context;
    const record = localRecord();
    if (!equalBytes(record.encoded, this.#record.encoded)) {
      this.#record = record;
      this.#families = familiesOf(record);
      this.#advertiser.recordChanged(agenda.now, (node) => this.#askedAt(node) === node);
      this.#table.placesChanged();
    }
    const isSomewhere = this.#families.size > 0;
    if (!isSomewhere) this.#noPlaceUntil = agenda.now + NO_PLACE_MS;
    return isSomewhere;
  }

  /** The node where it is, or at its address of the other family: it is to see us at one that our record names. */
  #askedAt(node: KadNode): KadNode | undefined {
    const isOurs = (ip: string): boolean => this.#families.has(isIpv6(ip));
    return isOurs(node.ip) ? node : otherPlace(node, (ip) => isOurs(ip) && this.#context.reaches(ip));
  }

  #current(node: KadNode): TopicNode | undefined {
    const place = this.#askedAt(newestOf(this.#context.table, node));
    return place !== undefined && takesPart(place) ? place : undefined;
  }

  #register(registration: RegistrationToSend, attempts: number): void {
    const { ask, asked, localRecord } = this.#context;
    const { node } = registration;
    const question = registrationQuestion(asked(node), registration, localRecord, (confirmation) => {
      if (this.#isStopped) return;
      if (confirmation !== undefined) this.#confirmed(node, confirmation);
      else if (attempts > 1) this.#register(registration, attempts - 1);
      else this.#unanswered(node);
    });
    ask(node, question);
  }

  #unanswered(node: KadNode): void {
    const { agenda, known } = this.#context;
    const { id } = node;
    this.#advertiser.unanswered(id);
    askWhetherLive(this.#context, node, (failure) => {
      known.remove(id);
      if (failure === 'silent') this.#advertiser.silent(id);
      this.#table.table.failed(id, agenda.now, failure);
    });
  }

  #confirmed(node: KadNode, { answer, auxiliary }: Confirmation): void {
    const { agenda, known } = this.#context;
    const isTaken = this.#advertiser.answered(node.id, answer, agenda.now);
    if (isTaken) known.answered(node, agenda.now);
    if (this.#table.named(auxiliary)) this.#advertiser.tableChanged();
    if (!isTaken || answer.kind !== 'admitted') return;
    const { topic } = this.#table.table;
    const { lifetimeMs } = answer;
    this.#context.event({ kind: 'topic-admitted', topic: topic.slice(), node, lifetimeMs });
    this.#events.admitted?.(node);
  }
}

function isIpv6(ip: string): boolean {
  return ip.includes(':');
}

function familiesOf(record: NodeRecord): ReadonlySet<boolean> {
  const places = endpointsOfRecord(record).filter(({ udpPort }) => udpPort > 0);
  return new Set(places.map(({ host }) => isIpv6(host)));
}
