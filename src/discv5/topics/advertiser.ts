import { toBareHex } from '../../base/bytes.ts';
import type { Env } from '../../base/env.ts';
import { shuffledNumbers } from '../../base/shuffled.ts';
import type { KadNode } from '../../kad/index.ts';
import type { TopicNode } from './capability.ts';
import { Exclusions } from './exclusions.ts';
import { MAX_REGISTERING, PLACEMENT_CYCLE_MS, type TopicParameters, topicParameters } from './parameters.ts';
import { type Answer, Registration } from './registration.ts';
import type { ServiceTable } from './service-table.ts';

export interface AdvertiserOptions {
  /** Of the topic that is advertised. */
  readonly table: ServiceTable;
  readonly randomBytes: Env['randomBytes'];
  /** How many other topics of ours a registrar is asked to keep: for another one of our address it has us wait. Default: none */
  readonly burden?: ((id: Uint8Array) => number) | undefined;
  /** A registrar as it is by now; `undefined`: it is not to be asked any more. Default: as it was when it was chosen */
  readonly current?: ((node: TopicNode) => TopicNode | undefined) | undefined;
  readonly parameters?: Partial<TopicParameters> | undefined;
}

/** A REGTOPIC request that is to be sent, with our record as it is now. */
export interface RegistrationToSend {
  readonly node: TopicNode;
  readonly topic: Uint8Array;
  /** Empty in a first request. */
  readonly ticket: Uint8Array;
  readonly distances: readonly number[];
}

export interface AdvertiserStats {
  /** Registrars that have the advertisement, as far as we know. */
  readonly active: number;
  /** Registrars that have not let it in yet. */
  readonly pending: number;
}

/**
 * Keeps one topic advertised (discv5-theory.md, "Advertiser Behaviour"): `kRegister` registrations in each bucket of the
 * table, the farthest first, which are renewed, and replaced when they fail. Who sends the requests says what came of
 * each. Times are those of `Env.now`.
 */
export class Advertiser {
  readonly #table: ServiceTable;
  readonly #randomBytes: Env['randomBytes'];
  readonly #burden: (id: Uint8Array) => number;
  readonly #current: (node: TopicNode) => TopicNode | undefined;
  readonly #parameters: TopicParameters;
  /** By node: at most `kRegister` of each distance. */
  readonly #registrations = new Map<string, Registration>();
  /** Nodes that were chosen in this cycle. */
  readonly #tried = new Set<string>();
  /** Of those the ones that have said nothing at all. */
  readonly #silent = new Set<string>();
  /** Registrars that have kept us waiting for too long. */
  readonly #crowded = new Exclusions();
  #nextCycle = Number.NEGATIVE_INFINITY;
  #isPlaced = false;

  /** @throws PeerlaneError `invalid-argument` */
  constructor({
    table,
    randomBytes,
    burden = () => 0,
    current = (node) => node,
    parameters,
  }: AdvertiserOptions) {
    this.#table = table;
    this.#randomBytes = randomBytes;
    this.#burden = burden;
    this.#current = current;
    this.#parameters = topicParameters(parameters);
  }

  /** The requests that are to be sent now. Each is under way until `answered` or `failed` is told. */
  next(now: number): RegistrationToSend[] {
    for (const registration of this.#registrations.values()) {
      if (registration.isMissed(now, this.#parameters.delta)) this.#drop(registration);
    }
    if (now >= this.#nextCycle) {
      this.#nextCycle = now + PLACEMENT_CYCLE_MS;
      this.#tried.clear();
      this.#silent.clear();
      this.#isPlaced = false;
    }
    const due = [...this.#registrations.values()].filter(
      (registration) => registration.nextAt <= now && this.#isThere(registration),
    );
    // Those with a ticket have but a moment.
    due.sort((a, b) => Number(b.hasTicket) - Number(a.hasTicket) || a.nextAt - b.nextAt);
    const chosen = due.slice(0, this.#room);
    for (const registration of chosen) registration.ask();
    for (const registration of this.#place(now)) chosen.push(registration);
    if (chosen.length === 0) return [];
    const distances = this.#table.freeDistances();
    return chosen.map(({ node, ticket }) => ({ node, topic: this.#table.topic, ticket, distances }));
  }

  /** When `next` may have something to send: at once if that is past; infinite if an answer comes first. */
  get deadline(): number {
    if (this.#room === 0) return Number.POSITIVE_INFINITY;
    let deadline = this.#isPlaced ? this.#nextCycle : Number.NEGATIVE_INFINITY;
    for (const { nextAt } of this.#registrations.values()) deadline = Math.min(deadline, nextAt);
    return deadline;
  }

  /** The answer of a registrar that was asked; any other is passed over. Whether it is taken, and goes on with it. */
  answered(id: Uint8Array, answer: Answer, now: number): boolean {
    const registration = this.#registrations.get(toBareHex(id));
    if (registration === undefined || !registration.isAsking) return false;
    const verdict = registration.answered(answer, now, this.#parameters.e);
    if (verdict === 'taken') {
      this.#table.succeeded(id);
      return true;
    }
    if (verdict === 'wrong') this.#table.exclude(id, now);
    // It has more of our network, or of our topic, than it takes: nothing speaks against it for searches, or for other topics.
    else this.#crowded.exclude(id, now);
    this.#drop(registration);
    return false;
  }

  /** A registrar that was asked gave no answer, or none of sense, whatever that means for the table. Whether one was awaited. */
  unanswered(id: Uint8Array): boolean {
    const registration = this.#registrations.get(toBareHex(id));
    if (registration === undefined || !registration.isAsking) return false;
    this.#drop(registration);
    return true;
  }

  /** A registrar that was asked has answered nothing else either: it may not be there yet, or our own network may be gone. */
  silent(id: Uint8Array): void {
    const key = toBareHex(id);
    if (this.#tried.has(key)) this.#silent.add(key);
  }

  /** A node has answered whatever it was asked: if it was silent, its turn in this cycle is still to come, and it may be asked. */
  heard(id: Uint8Array): boolean {
    if (this.#silent.size === 0) return false;
    const key = toBareHex(id);
    if (!this.#silent.delete(key)) return false;
    this.#tried.delete(key);
    this.#isPlaced = false;
    return true;
  }

  /** The table has nodes that it did not have: buckets in which nobody was left are looked at again. */
  tableChanged(): void {
    this.#isPlaced = false;
  }

  /**
   * Our record has changed: tickets are good for the old one only, and registrars still give that away.
   * @param isReached whether a registrar may still be asked where it is: it would refuse the record else, again and again
   */
  recordChanged(now: number, isReached: (node: KadNode) => boolean = () => true): void {
    for (const registration of this.#registrations.values()) {
      if (isReached(registration.node)) registration.restart(now);
      else this.#drop(registration);
    }
  }

  /** Whether that registrar has the advertisement, or is asked to. */
  isAt(id: Uint8Array): boolean {
    return this.#registrations.has(toBareHex(id));
  }

  get stats(): AdvertiserStats {
    let active = 0;
    for (const { isActive } of this.#registrations.values()) if (isActive) active++;
    return { active, pending: this.#registrations.size - active };
  }

  /** How many more requests may be under way. */
  get #room(): number {
    let asking = 0;
    for (const { isAsking } of this.#registrations.values()) if (isAsking) asking++;
    return Math.max(0, MAX_REGISTERING - asking);
  }

  /** New attempts, as far as buckets want some and requests may be under way. */
  #place(now: number): Registration[] {
    if (this.#isPlaced) return [];
    const counts = new Map<number, number>();
    for (const { distance } of this.#registrations.values()) {
      counts.set(distance, (counts.get(distance) ?? 0) + 1);
    }
    const placed: Registration[] = [];
    let room = this.#room;
    for (const distance of this.#table.distances) {
      const wanted = this.#parameters.kRegister - (counts.get(distance) ?? 0);
      for (const node of this.#candidates(distance, Math.max(0, wanted), now)) {
        if (room-- <= 0) return placed;
        const key = toBareHex(node.id);
        const registration = new Registration(node, distance, now);
        registration.ask();
        this.#tried.add(key);
        this.#registrations.set(key, registration);
        placed.push(registration);
      }
    }
    this.#isPlaced = true;
    return placed;
  }

  /** Nodes of a bucket to which this cycle has not come yet, those that have least of ours first, and else by chance. */
  #candidates(distance: number, count: number, now: number): TopicNode[] {
    if (count === 0) return [];
    const nodes = this.#table.at(distance, now).filter(({ id }) => {
      const key = toBareHex(id);
      return !this.#tried.has(key) && !this.#registrations.has(key) && !this.#crowded.has(id, now);
    });
    return Array.from(shuffledNumbers(nodes.length, this.#randomBytes), (index) => nodes[index])
      .filter((node) => node !== undefined)
      .map((node) => ({ node, burden: this.#burden(node.id) }))
      .sort((a, b) => a.burden - b.burden)
      .slice(0, count)
      .map(({ node }) => node);
  }

  /** Whether a registrar may still be asked, wherever it is by now: its tickets are good there, too. */
  #isThere(registration: Registration): boolean {
    const node = this.#current(registration.node);
    if (node === undefined) this.#drop(registration);
    else registration.node = node;
    return node !== undefined;
  }

  #drop({ node }: Registration): void {
    this.#registrations.delete(toBareHex(node.id));
    this.#isPlaced = false;
  }
}
