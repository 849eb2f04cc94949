/** Discovery v4 (discv4.md) as a machine: packets and times go in, packets and events come out. */

import { Agenda } from '../base/agenda.ts';
import { equalBytes } from '../base/bytes.ts';
import type { Env } from '../base/env.ts';
import { PeerlaneError } from '../base/errors.ts';
import { PUBLIC_KEY_LENGTH } from '../crypto/index.ts';
import { type NodeRecord, nodeIdOf } from '../enr/index.ts';
import {
  type EngineHost,
  type KadNode,
  kadNode,
  LookupRun,
  type LookupRunContext,
  type LookupRunEvents,
  type OtherPlace,
  otherPlace,
  Places,
  sameEndpoint,
  Table,
  type UdpEndpoint,
  Upkeep,
} from '../kad/index.ts';
import type { ClockSkew } from './clock-samples.ts';
import type { Discv4Event, Discv4Sizes, Discv4Stats, DropReason } from './events.ts';
import { DEFAULT_LIMITS, type Incoming, Intake, type IntakeLimits } from './intake.ts';
import type { WireEndpoint } from './messages.ts';
import { noneOfEach, Outbox } from './outbox.ts';
import type { PacketBatch, PacketCrypto, PacketResults } from './packet.ts';
import type { Done, PingResult } from './pending.ts';
import { Proofs } from './proofs.ts';
import { Requests } from './requests.ts';
import { Responder } from './responder.ts';
import { type Reception, Screening } from './screening.ts';
import { Signatures } from './signatures.ts';

export interface Discv4Host extends EngineHost<Discv4Event> {
  /** The endpoint that Pings to an address name as ours. */
  localEndpoint(to: string): WireEndpoint;
}

export interface Discv4Options {
  /** 64 bytes. */
  readonly publicKey: Uint8Array;
  readonly crypto: PacketCrypto;
  readonly host: Discv4Host;
  readonly env: Pick<Env, 'unixTime' | 'randomBytes'>;
  /** Nodes to begin with: bootnodes, and those of earlier runs. Those that are not reached are left out. */
  readonly seeds?: readonly KadNode[];
  readonly limits?: Partial<IntakeLimits>;
}

export class Discv4Engine {
  readonly table: Table;
  readonly #options: Discv4Options;
  readonly #agenda = new Agenda();
  readonly #proofs = new Proofs();
  readonly #intake: Intake;
  readonly #outbox: Outbox;
  readonly #requests: Requests;
  readonly #responder: Responder;
  readonly #signatures: Signatures;
  readonly #upkeep: Upkeep;
  readonly #reaches: (ip: string) => boolean;
  readonly #otherPlace: OtherPlace;
  readonly #places: Places;
  #received = 0;
  readonly #receivedOf = noneOfEach();
  readonly #screening: Screening;

  constructor(options: Discv4Options) {
    this.#options = options;
    const { publicKey, crypto, host, env, seeds = [], limits } = options;
    const randomBytes = (length: number) => env.randomBytes(length);
    this.#reaches = (ip) => host.reaches?.(ip) ?? true;
    this.#otherPlace = (node) => otherPlace(node, this.#reaches);
    this.table = new Table({
      localId: nodeIdOf(publicKey),
      randomBytes,
      otherPlace: this.#otherPlace,
      onAdded: (node) => host.event?.({ kind: 'node-added', node }),
      onRemoved: (node) => host.event?.({ kind: 'node-removed', node }),
    });
    this.#intake = new Intake({ ...DEFAULT_LIMITS, ...limits });
    this.#outbox = new Outbox((packet, to) => host.send(packet, to));
    this.#signatures = new Signatures({
      ...{ crypto, intake: this.#intake, outbox: this.#outbox },
      opened: (incoming, publicKey) => this.#handle(incoming, publicKey),
    });
    const unixSeconds = () => this.#unixSeconds;
    const [agenda, outbox, proofs, table] = [this.#agenda, this.#outbox, this.#proofs, this.table];
    const reaches = this.#reaches;
    const base = { agenda, outbox, proofs, table, publicKey, unixSeconds, reaches };
    this.#requests = new Requests({
      ...base,
      localEndpoint: (to) => host.localEndpoint(to),
      localSeq: () => host.localRecord().seq,
      answered: (node, result) => this.#answered(node, result),
      silent: (node) => host.event?.({ kind: 'node-silent', node }),
      unreached: (node) => host.event?.({ kind: 'node-unreached', node }),
    });
    const requests = this.#requests;
    this.#places = new Places({ table, otherPlace: this.#otherPlace, room: requests.room });
    this.#screening = new Screening({ ...base, intake: this.#intake, requests });
    this.#responder = new Responder({ ...base, requests, localRecord: () => host.localRecord() });
    const reached = seeds.filter(({ ip }) => this.#reaches(ip));
    this.#upkeep = new Upkeep(
      {
        ...this.#lookupContext,
        table,
        localTarget: publicKey,
        randomTarget: () => randomBytes(PUBLIC_KEY_LENGTH),
        check: (node, isSeed, done) => requests[isSeed ? 'ping' : 'pingNamed'](node, done),
        renew: (node) => {
          if (!requests.room.isFull) requests.record(node, (record) => this.#recordOf(node, record));
        },
      },
      reached,
    );
  }

  get #lookupContext(): LookupRunContext {
    const [agenda, requests, table] = [this.#agenda, this.#requests, this.table];
    return { agenda, requests, table, localId: table.localId, idOf: nodeIdOf, otherPlace: this.#otherPlace };
  }

  get #unixSeconds(): number {
    return Math.floor(this.#options.env.unixTime() / 1000);
  }

  /** Begins to fill the table, and to check it. Without it the engine only answers, and asks when it is told to. */
  start(now: number): void {
    this.#enter(now);
    this.#upkeep.start();
    this.#upkeep.run();
    this.#leave();
  }

  /** One more node to begin with, as those of the options. */
  addSeed(seed: KadNode, now: number): void {
    if (!this.#reaches(seed.ip)) return;
    this.#enter(now);
    this.#upkeep.addSeed(seed);
    this.#leave();
  }

  /** A node that somebody else has named, to be checked like those that answers name. */
  addNamed(node: KadNode, now: number): void {
    if (!this.#reaches(node.ip)) return;
    this.#enter(now);
    this.#upkeep.addNamed(node);
    this.#leave();
  }

  /**
   * When `tick` has something to do next; `-Infinity` for at once, `Infinity` for never, or not before results come that
   * are under way.
   */
  get deadline(): number {
    if (this.#signatures.isDue) return Number.NEGATIVE_INFINITY;
    const { deadline } = this.#agenda;
    const isHeldUp = deadline > this.#signatures.oldestKnown;
    return Math.min(isHeldUp ? Number.POSITIVE_INFINITY : deadline, this.#upkeep.deadline);
  }

  /**
   * Takes in a datagram of any content, which belongs to the engine from now on. Only cheap checks are made: what
   * comes in by the next `tick` is verified together.
   * @param now milliseconds of `Env.now`, here and elsewhere
   */
  receive(packet: Uint8Array, from: UdpEndpoint, now: number): Reception {
    return this.#screening.receive(packet, from, now);
  }

  /** Handles a part of what has come in, and does what is due. */
  tick(now: number): void {
    this.#enter(now);
    this.#signatures.open();
    this.#proceed();
  }

  /** Takes the results of a batch that `PacketWorker.begin` was called with. */
  complete(batch: PacketBatch, results: PacketResults, now: number): void {
    this.#enter(now);
    this.#signatures.complete(batch, results);
    this.#proceed();
  }

  #proceed(): void {
    // After what has come in: an answer that had to wait is in time.
    this.#agenda.runDue(this.#signatures.oldestKnown);
    this.#upkeep.run();
    this.#leave();
  }

  /**
   * Sends a Ping.
   * @throws PeerlaneError `request-overload`
   */
  ping(node: KadNode, now: number, done: Done<PingResult>): void {
    this.#request(now, () =>
      this.#places.ask(node, (place, settled) => this.#requests.ping(place, settled), done),
    );
  }

  /**
   * Sends a Ping to a node that others have named, unless nobody has answered the last ones to its address: then none is
   * sent, and it says so.
   * @throws PeerlaneError `request-overload`
   */
  pingNamed(node: KadNode, now: number, done: Done<PingResult>): void {
    this.#request(now, () =>
      this.#places.ask(node, (place, settled) => this.#requests.pingNamed(place, settled), done),
    );
  }

  /**
   * Asks a node for those that it knows close to `target`, a public key of 64 bytes; before that, for the proofs.
   * @throws PeerlaneError `request-overload`
   */
  findNode(node: KadNode, target: Uint8Array, now: number, done: Done<KadNode[]>): void {
    const ask = (place: KadNode, settled: Done<KadNode[]>) => this.#requests.findNode(place, target, settled);
    this.#request(now, () => this.#places.ask(node, ask, done));
  }

  /**
   * Asks a node for its record; before that, for the proofs. The error `invalid-record` goes to `done` when the node has sent
   * one that cannot be verified, or another node's.
   * @throws PeerlaneError `request-overload`
   */
  requestRecord(node: KadNode, now: number, done: Done<NodeRecord>): void {
    const ask = (place: KadNode, settled: Done<NodeRecord>) =>
      this.#requests.record(place, (record, failure) => {
        this.#recordOf(place, record);
        settled(record, failure);
      });
    this.#request(now, () => this.#places.ask(node, ask, done));
  }

  /**
   * Begins a lookup of a public key of 64 bytes, or of as many random ones. Nobody is asked before `resumeLookup`.
   * @throws PeerlaneError `invalid-argument`
   */
  lookup(target: Uint8Array, events: LookupRunEvents = {}): LookupRun {
    if (!(target instanceof Uint8Array) || target.length !== PUBLIC_KEY_LENGTH) {
      throw new PeerlaneError('invalid-argument', `a target is a Uint8Array of ${PUBLIC_KEY_LENGTH} bytes`);
    }
    return new LookupRun(this.#lookupContext, target, events);
  }

  /** Lets a lookup go on. */
  resumeLookup(run: LookupRun, now: number): void {
    this.#enter(now);
    run.resume();
    this.#leave();
  }

  stats(): Discv4Stats {
    return {
      received: this.#received,
      receivedOf: { ...this.#receivedOf },
      dropped: { ...this.#screening.dropped },
      sent: this.#outbox.packets,
      sentBytes: this.#outbox.bytes,
      sentOf: { ...this.#outbox.packetsOf },
      requests: this.#requests.room.open,
      proofs: this.#proofs.size,
    };
  }

  /** By how much the clocks of others differ from ours; `undefined` when too few were heard of late. */
  clockSkew(now: number): ClockSkew | undefined {
    return this.#screening.skew(now);
  }

  /** How many entries there are in all that others can fill. */
  sizes(): Discv4Sizes {
    return {
      queued: this.#intake.size,
      unsigned: this.#outbox.size,
      rated: this.#intake.rated,
      requests: this.#requests.room.open,
      pingBacks: this.#requests.pings.backs,
      proofs: this.#proofs.size,
      debtors: this.#responder.debtors,
    };
  }

  #request(now: number, begin: () => void): void {
    if (this.#requests.room.isFull) {
      throw new PeerlaneError('request-overload', 'too many requests await their answers');
    }
    this.#enter(now);
    begin();
    this.#leave();
  }

  #enter(now: number): void {
    this.#agenda.now = Math.max(this.#agenda.now, now);
  }

  #leave(): void {
    this.#signatures.run();
  }

  #handle(incoming: Incoming, publicKey: Uint8Array | undefined): void {
    if (publicKey === undefined) {
      this.#screening.drop('signature');
      return;
    }
    this.#received++;
    this.#receivedOf[incoming.message.kind]++;
    const isOwn = equalBytes(publicKey, this.#options.publicKey);
    const reason = isOwn ? 'own' : this.#take(incoming, publicKey);
    if (reason !== undefined) this.#screening.drop(reason);
  }

  /** Handles a packet, or says why not. */
  #take({ packet, from: origin, message, at }: Incoming, publicKey: Uint8Array): DropReason | undefined {
    const sender = { packet, origin, publicKey };
    const isProven = () => this.#proofs.has(origin.key, publicKey, this.#agenda.now);
    switch (message.kind) {
      case 'ping':
        this.#responder.ping(sender, message);
        return undefined;
      case 'findNode':
        if (!isProven()) return 'unproven';
        this.#responder.findNode(sender, message);
        return undefined;
      case 'enrRequest':
        if (!isProven()) return 'unproven';
        this.#responder.enrRequest(sender);
        return undefined;
      case 'pong':
        return this.#requests.takePong(sender, message, at) ? undefined : 'unsolicited';
      case 'neighbors':
        return this.#requests.takeNeighbors(sender, message) ? undefined : 'unsolicited';
      case 'enrResponse':
        return this.#requests.takeRecord(sender, message) ? undefined : 'unsolicited';
    }
  }

  /** A node has answered a Ping, at the endpoint that it was sent to. */
  #answered(node: KadNode, { rtt, seenAs }: PingResult): void {
    this.#responder.proved(node);
    this.table.proved(node.id, { ip: node.ip, port: node.udpPort });
    const entry = this.table.get(node.id);
    if (entry !== undefined && sameEndpoint(entry, node)) {
      this.table.checked(node.id, entry, this.#agenda.now);
    }
    this.#options.host.event?.({ kind: 'node-answered', node, rtt, seenAs });
  }

  /** The endpoint stays the one that the node was reached at, whatever its record says. */
  #recordOf(node: KadNode, record: NodeRecord | undefined): void {
    if (record === undefined) return;
    const known = this.table.get(node.id);
    if (known !== undefined && record.seq > (known.record?.seq ?? -1n)) {
      const { publicKey, ip, udpPort } = known;
      const tcp = record.get('tcp');
      const tcpPort = (ip.includes(':') ? (record.get('tcp6') ?? tcp) : tcp) ?? known.tcpPort;
      this.table.addFound(kadNode({ publicKey, ip, udpPort, tcpPort, record }), this.#agenda.now);
    }
    this.#options.host.event?.({ kind: 'record-received', node, record });
  }
}
