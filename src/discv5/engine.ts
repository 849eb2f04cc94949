/** Discovery v5 (discv5-wire.md, discv5-theory.md) as a machine: packets and times go in, packets and events come out. */
import { Agenda } from '../base/agenda.ts';
import { checkLength } from '../base/checks.ts';
import type { Env } from '../base/env.ts';
import { PeerlaneError, unlessError } from '../base/errors.ts';
import type { NodeRecord } from '../enr/index.ts';
import {
  type EngineHost,
  ID_LENGTH,
  type KadNode,
  LookupRun,
  type LookupRunContext,
  type LookupRunEvents,
  otherPlace,
  Places,
  sameEndpoint,
  Table,
  type UdpEndpoint,
  Upkeep,
} from '../kad/index.ts';
import { askAnywhere } from './ask-anywhere.ts';
import { type Discv5Crypto, discv5Crypto } from './crypto.ts';
import { lookupDistances } from './distances.ts';
import type { Discv5DropReason } from './drop-reason.ts';
import type { Discv5Event, Discv5Sizes, Discv5Stats } from './events.ts';
import type { Identity } from './handshake.ts';
import { costOf } from './known-limit.ts';
import { DEFAULT_DISCV5_LIMITS, type Discv5Limits } from './limits.ts';
import { type Discv5MessageKind, decodeMessage, MESSAGE_TYPE, type Message } from './messages.ts';
import {
  type Discv5Ping,
  type Done,
  findNodeQuestion,
  nodesOf,
  pingQuestion,
  recordQuestion,
  talkQuestion,
} from './questions.ts';
import { remoteOf } from './remote.ts';
import { type Question, Requests } from './requests.ts';
import { Responder, type TalkCall } from './responder.ts';
import { ShownRecords } from './shown-records.ts';
import type { AdvertisementEvents, AdvertisementRun } from './topics/advertisement-run.ts';
import type { TopicParameters } from './topics/parameters.ts';
import type { TopicSearchEvents, TopicSearchRun } from './topics/search-run.ts';
import { TopicHost } from './topics/topic-host.ts';
import { type ReceivedMessage, Wire } from './wire.ts';

export interface Discv5Host extends EngineHost<Discv5Event> {
  /** Somebody talks to us; whether it is taken. Default: no protocol is known. */
  talk?(call: TalkCall): boolean;
}

export interface Discv5Options {
  readonly identity: Identity;
  readonly host: Discv5Host;
  readonly env: Pick<Env, 'now' | 'randomBytes'>;
  /** Nodes to begin with: bootnodes, and those of earlier runs. Those that are not reached are left out. */
  readonly seeds?: readonly KadNode[];
  readonly limits?: Partial<Discv5Limits>;
  /** What topic discovery is tuned by; `false`: this node takes no part in it. Default: as the specification has it. */
  readonly topics?: Partial<TopicParameters> | false;
  /** Default: the real one. */
  readonly crypto?: Discv5Crypto;
}

/** What came of a datagram: `foreign`: it is none of this protocol, nor of this node's. */
export type Discv5Reception = 'taken' | 'foreign';

export class Discv5Engine {
  readonly table: Table;
  readonly #host: Discv5Host;
  readonly #agenda = new Agenda();
  readonly #crypto: Discv5Crypto;
  readonly #wire: Wire;
  readonly #requests: Requests;
  readonly #places: Places;
  readonly #responder: Responder;
  readonly #shown: ShownRecords;
  readonly #upkeep: Upkeep;
  readonly #lookups: LookupRunContext;
  readonly #topics: TopicHost | undefined;
  #received = 0;
  readonly #receivedOf = noneOfEach();
  readonly #dropped: Record<Discv5DropReason, number> = {
    ...{ foreign: 0, malformed: 0, own: 0, shed: 0, challenged: 0, handshake: 0, unsolicited: 0, talk: 0 },
  };

  constructor(options: Discv5Options) {
    const { identity, host, env, seeds = [], limits, topics = {}, crypto = discv5Crypto() } = options;
    this.#host = host;
    this.#crypto = crypto;
    const randomBytes = (length: number) => env.randomBytes(length);
    const reaches = (ip: string) => this.#reaches(ip);
    const elsewhere = (node: KadNode) => otherPlace(node, reaches);
    const table = new Table({
      ...{ localId: identity.id, randomBytes, otherPlace: elsewhere },
      onAdded: (node) => host.event?.({ kind: 'node-added', node }),
      onRemoved: (node) => {
        this.#topics?.removed(node.id);
        host.event?.({ kind: 'node-removed', node });
      },
    });
    this.table = table;
    const localRecord = () => host.localRecord();
    this.#wire = new Wire({
      ...{ identity, crypto, randomBytes, localRecord, limits: { ...DEFAULT_DISCV5_LIMITS, ...limits } },
      ...{ clock: () => env.now(), send: (packet, to) => host.send(packet, to) },
      recordOf: (id) => table.get(id)?.record,
    });
    const [agenda, wire] = [this.#agenda, this.#wire];
    const silent = (node: KadNode) => host.event?.({ kind: 'node-silent', node });
    const nobody = (): void => undefined;
    const greeting = () => pingQuestion(() => localRecord().seq, nobody);
    const requests = new Requests({ agenda, wire, randomBytes, silent, greeting });
    this.#requests = requests;
    this.#places = new Places({ table, otherPlace: elsewhere, room: requests.room });
    const talk = (call: TalkCall) => host.talk?.(call) ?? false;
    const talkDropped = (): void => void this.#dropped.talk++;
    this.#responder = new Responder({ wire, table, localRecord, talk, talkDropped });
    this.#shown = new ShownRecords({
      ...{ agenda, table, room: requests.room, reaches },
      ask: (node, done) => this.#record(node, done),
    });
    this.#lookups = {
      ...{ agenda, table, localId: identity.id, idOf: (id) => id, otherPlace: elsewhere },
      requests: {
        room: requests.room,
        findNode: (node, target, done) => this.#findClose(node, target, done),
      },
    };
    this.#upkeep = new Upkeep(
      {
        ...this.#lookups,
        ...{ table, localTarget: identity.id, randomTarget: () => randomBytes(ID_LENGTH) },
        check: (node, isSeed, done) => this.#ping(node, done, isSeed ? 'ask' : 'askNamed'),
        renew: (node) => this.#shown.renew(node),
      },
      seeds.filter(({ ip }) => reaches(ip)),
    );
    if (topics === false) return;
    const engine = {
      ...{ agenda, table, localId: identity.id, randomBytes, localRecord, room: requests.room, reaches },
      ask: (node: KadNode, question: Question) =>
        askAnywhere(this.#places, node, question, (place, put) => requests.askNamed(place, put)),
      asked: (node: KadNode) => this.#asked(node),
      lookUp: (target: Uint8Array, events: LookupRunEvents) => new LookupRun(this.#lookups, target, events),
      event: (event: Discv5Event) => host.event?.(event),
    };
    this.#topics = new TopicHost({ engine, wire, parameters: topics });
  }

  /** Begins to fill the table, and to check it. Without it the engine only answers, and asks when it is told to. */
  start(now: number): void {
    this.#enter(now);
    this.#upkeep.start();
    this.#upkeep.run();
  }

  /** One more node to begin with, as those of the options. */
  addSeed(seed: KadNode, now: number): void {
    if (!this.#reaches(seed.ip)) return;
    this.#enter(now);
    this.#upkeep.addSeed(seed);
  }

  /** A node that somebody else has named, to be checked like those that answers name. */
  addNamed(node: KadNode, now: number): void {
    if (!this.#reaches(node.ip)) return;
    this.#enter(now);
    this.#upkeep.addNamed(node);
  }

  /** When `tick` has something to do next; `Infinity` for never. */
  get deadline(): number {
    const topics = this.#topics?.deadline ?? Number.POSITIVE_INFINITY;
    return Math.min(this.#agenda.deadline, this.#upkeep.deadline, topics);
  }

  /** Does what is due. */
  tick(now: number): void {
    this.#enter(now);
    this.#agenda.runDue(now);
    this.#upkeep.run();
    this.#topics?.advance();
  }

  /**
   * Handles a datagram of any content, which belongs to the engine from now on.
   * @param now milliseconds of `Env.now`, here and elsewhere
   */
  receive(packet: Uint8Array, from: UdpEndpoint, now: number): Discv5Reception {
    this.#enter(now);
    const received = this.#wire.receive(packet, from, this.#agenda.now);
    switch (received.kind) {
      case 'dropped':
        this.#dropped[received.reason]++;
        return received.reason === 'foreign' ? 'foreign' : 'taken';
      case 'whoareyou':
        if (!this.#requests.challenged(received.origin.endpoint, received.challenge))
          this.#dropped.unsolicited++;
        return 'taken';
      case 'message': {
        const { remote, origin, plaintext, record, isNew } = received;
        if (isNew && record !== undefined) this.#shown.met(record, origin);
        const message = unlessError(() => decodeMessage(plaintext));
        if (message === undefined) this.#dropped.malformed++;
        // What we have asked for is nothing that others have us do.
        const isAwaited = message !== undefined && this.#handle(message, received);
        // Last, so that what waited for the session leaves behind the answer.
        this.#requests.heard(remote);
        if (!isAwaited) this.#wire.handled(received, costOf(message?.kind), this.#agenda.now);
        return 'taken';
      }
    }
  }

  /** Sends a Ping. @throws PeerlaneError `request-overload` */
  ping(node: KadNode, now: number, done: Done<Discv5Ping>): void {
    this.#begin(now);
    this.#places.ask(node, (place, settled) => this.#ping(place, settled), done);
  }

  /** As `ping`, to a node that others have named: where nobody answers, nothing is sent. @throws PeerlaneError `request-overload` */
  pingNamed(node: KadNode, now: number, done: Done<Discv5Ping>): void {
    this.#begin(now);
    this.#places.ask(node, (place, settled) => this.#ping(place, settled, 'askNamed'), done);
  }

  /**
   * Asks a node for the records of those that it knows at `distances` from itself: 0 is its own.
   * @throws PeerlaneError `request-overload`
   */
  findNode(node: KadNode, distances: readonly number[], now: number, done: Done<NodeRecord[]>): void {
    this.#begin(now);
    const ask = (place: KadNode, settled: Done<NodeRecord[]>) =>
      this.#requests.askNamed(place, findNodeQuestion(this.#asked(place), distances, settled));
    this.#places.ask(node, ask, done);
  }

  /**
   * Asks a node for its own record. The error `invalid-record` goes to `done` when it answers without one that is valid.
   * @throws PeerlaneError `request-overload`
   */
  requestRecord(node: KadNode, now: number, done: Done<NodeRecord>): void {
    this.#begin(now);
    this.#places.ask(node, (place, settled) => this.#record(place, settled), done);
  }

  /**
   * Says something to a node in a protocol of the caller's. A handler may do anything: once the request has gone out it goes to no
   * other place.
   * @param isWanted whether it may still go out. Default: it may
   * @throws PeerlaneError `request-overload`, `invalid-argument`
   */
  talk(
    node: KadNode,
    protocol: Uint8Array,
    request: Uint8Array,
    now: number,
    done: Done<Uint8Array>,
    isWanted: () => boolean = () => true,
  ): void {
    this.#begin(now);
    let hasLeft = false;
    const left = () => {
      hasLeft = true;
    };
    const ask = (place: KadNode, settled: Done<Uint8Array>) =>
      this.#requests.ask(place, { ...talkQuestion(protocol, request, settled), left });
    this.#places.ask(node, ask, done, () => !hasLeft && isWanted());
  }

  /** Begins a lookup of a node id, 32 bytes. Nobody is asked before `resumeLookup`. @throws PeerlaneError `invalid-argument` */
  lookup(target: Uint8Array, events: LookupRunEvents = {}): LookupRun {
    checkLength('the target', target, ID_LENGTH);
    return new LookupRun(this.#lookups, target, events);
  }

  /** Lets a lookup go on. */
  resumeLookup(run: LookupRun, now: number): void {
    this.#enter(now);
    run.resume();
  }

  /** @throws PeerlaneError `invalid-argument` where topics are turned off */
  checkTopics(): void {
    void this.#topicHost;
  }

  /**
   * Begins to advertise a topic, 32 bytes, until the run is stopped.
   * @throws PeerlaneError `invalid-argument` also for one that is advertised already, or where topics are turned off;
   * `request-overload`
   */
  advertise(topic: Uint8Array, now: number, events: AdvertisementEvents = {}): AdvertisementRun {
    this.#enter(now);
    return this.#topicHost.advertise(topic, events);
  }

  /**
   * Begins a search for `count` nodes that advertise a topic, 32 bytes. Nobody is asked before `resumeSearch`.
   * @throws PeerlaneError `invalid-argument`
   */
  search(topic: Uint8Array, count: number, events: TopicSearchEvents = {}): TopicSearchRun {
    return this.#topicHost.search(topic, count, events);
  }

  /** Lets a search go on. */
  resumeSearch(run: TopicSearchRun, now: number): void {
    this.#enter(now);
    run.resume();
  }

  stats(): Discv5Stats {
    return {
      received: this.#received,
      receivedOf: { ...this.#receivedOf },
      dropped: { ...this.#dropped },
      sent: this.#wire.sent,
      sentBytes: this.#wire.sentBytes,
      challenges: this.#wire.challenged,
      requests: this.#requests.room.open,
      sessions: this.#wire.sessions.size,
      ...(this.#topics === undefined ? {} : { topics: this.#topics.stats }),
    };
  }

  /** How many entries there are in all that others can fill. */
  sizes(): Discv5Sizes {
    return {
      ...this.#wire.sizes,
      sessions: this.#wire.sessions.size,
      requests: this.#requests.room.open,
      silent: this.#requests.silent,
      ads: this.#topics?.stats.ads ?? 0,
      topicRated: this.#topics?.remembered ?? 0,
    };
  }

  #enter(now: number): void {
    this.#agenda.now = Math.max(this.#agenda.now, now);
  }

  #begin(now: number): void {
    if (this.#requests.room.isFull) {
      throw new PeerlaneError('request-overload', 'too many requests await their answers');
    }
    this.#enter(now);
  }

  get #topicHost(): TopicHost {
    if (this.#topics !== undefined) return this.#topics;
    throw new PeerlaneError('invalid-argument', 'topics are turned off');
  }

  #reaches(ip: string): boolean {
    return this.#host.reaches?.(ip) ?? true;
  }

  #asked(node: KadNode) {
    return {
      ...{ node, known: this.#crypto.records },
      reaches: (ip: string) => this.#reaches(ip),
      placed: (id: Uint8Array) => this.table.get(id),
    };
  }

  #ping(node: KadNode, done: Done<Discv5Ping>, ask: 'ask' | 'askNamed' = 'ask'): void {
    const question: Question = pingQuestion(
      () => this.#host.localRecord().seq,
      (pong, failure) => {
        if (pong !== undefined) this.#answered(node, pong);
        done(pong, failure);
      },
    );
    this.#requests[ask](node, question);
  }

  #findClose(node: KadNode, target: Uint8Array, done: Done<KadNode[]>): void {
    const asked = this.#asked(node);
    const distances = lookupDistances(node.id, target, this.table.size);
    const question = findNodeQuestion(asked, distances, (records, failure) => {
      if (records !== undefined) this.#host.event?.({ kind: 'nodes-received', node });
      done(records === undefined ? undefined : nodesOf(records, asked), failure);
    });
    this.#requests.askNamed(node, question);
  }

  #record(node: KadNode, done: Done<NodeRecord>): void {
    const question = recordQuestion(this.#asked(node), (record, failure) => {
      if (record !== undefined) {
        this.#wire.sessions.get(remoteOf(node))?.learn(record);
        this.#shown.received(node, record);
        this.#host.event?.({ kind: 'record-received', node, record });
      }
      done(record, failure);
    });
    this.#requests.askNamed(node, question);
  }

  /** A node has answered a Ping, at the endpoint that it was sent to. */
  #answered(node: KadNode, { rtt, seenAs }: Discv5Ping): void {
    const entry = this.table.get(node.id);
    if (entry !== undefined && sameEndpoint(entry, node)) {
      this.table.checked(node.id, entry, this.#agenda.now);
      // It was given by its key: whatever number its record has, it has one.
      if (entry.record === undefined) this.#shown.renew(entry);
    }
    this.#host.event?.({ kind: 'node-answered', node, rtt, seenAs });
  }

  /** Whether it is an answer that was awaited. */
  #handle(message: Message, sender: ReceivedMessage): boolean {
    const { remote, record } = sender;
    this.#received++;
    this.#receivedOf[message.kind]++;
    switch (message.kind) {
      case 'ping':
        this.#responder.ping(remote, message);
        this.#shown.told(sender, message.enrSeq);
        break;
      case 'findNode':
        this.#responder.findNode(remote, message);
        break;
      case 'talkRequest':
        this.#responder.talk(remote, record, message);
        break;
      case 'regTopic':
        this.#topics?.register(sender, message);
        break;
      case 'topicQuery':
        this.#topics?.query(sender, message);
        break;
      default: {
        const isAwaited = this.#requests.take(remote, message);
        // It has answered with keys that nobody has who was not sent our packets there.
        if (isAwaited) {
          this.table.proved(remote.id, remote.endpoint);
          this.#topics?.heard(remote.id);
        } else this.#dropped.unsolicited++;
        return isAwaited;
      }
    }
    return false;
  }
}

/** Counts of messages of each kind. */
function noneOfEach(): Record<Discv5MessageKind, number> {
  const kinds = Object.keys(MESSAGE_TYPE) as Discv5MessageKind[];
  return Object.fromEntries(kinds.map((kind) => [kind, 0])) as Record<Discv5MessageKind, number>;
}
