/** Requests that await their answers, and the proofs that have to come before them. */
import { equalBytes } from '../base/bytes.ts';
import { isPeerlaneError } from '../base/errors.ts';
import { decodeRecord, type NodeRecord } from '../enr/index.ts';
import { BUCKET_SIZE, type KadNode, kadNode } from '../kad/index.ts';
import { LOWEST_RELAYED_PORT, mayRelay, type UdpEndpoint } from './address.ts';
import type { Agenda } from './agenda.ts';
import { Bonds, ENR_SETTLE_MS, FIND_NODE_SETTLE_MS } from './bonds.ts';
import {
  type EnrResponse,
  encodeMessage,
  MAX_NEIGHBORS,
  type Neighbor,
  type Neighbors,
  type Pong,
  type WireEndpoint,
} from './messages.ts';
import { type Outbox, packetSize } from './outbox.ts';
import { packetHash } from './packet.ts';
import {
  type Done,
  NO_TIMEOUT,
  type Pending,
  type PendingFindNode,
  type PendingPing,
  type PendingRecord,
  type PingResult,
  type Query,
  type Remote,
  remoteKey,
  remoteOf,
  type Sender,
} from './pending.ts';
import type { Proofs } from './proofs.ts';

/** How long an answer is awaited, and what is sent is valid. */
export const REPLY_TIMEOUT_MS = 500;
export const PACKET_LIFETIME_S = 20;
/**
 * How often a request of a lookup, or for a record, is sent before its node counts as silent: where a tenth of all packets
 * is lost, a fifth of all answers is missing, and two thirds of a bucket would not be found.
 */
const ATTEMPTS = 2;
/**
 * How often a node is asked for Neighbors from the proofs on: where its Ping for a proof, or our Pong, got lost, it passes
 * over all questions until it is pinged again.
 */
const FIND_NODE_ROUNDS = 2;
/** Requests of our own at a time, and Pings that go back to strangers who have sent one. */
export const MAX_REQUESTS = 256;
export const MAX_PING_BACKS = 1024;
/** How long more Neighbors are awaited behind a packet that is not full: as a rule it is the last. */
const NEIGHBORS_GRACE_MS = 100;

export interface RequestsContext {
  readonly agenda: Agenda;
  readonly outbox: Outbox;
  readonly proofs: Proofs;
  readonly publicKey: Uint8Array;
  /** Unix time, in seconds. */
  unixSeconds(): number;
  localEndpoint(): WireEndpoint;
  localSeq(): bigint;
  /** A node has answered a Ping; told before whoever sent it is. */
  answered(node: KadNode, result: PingResult): void;
  /** A node has left a request without an answer. */
  silent(node: KadNode): void;
}

export class Requests {
  readonly #context: RequestsContext;
  readonly #pings = new Map<string, PendingPing>();
  readonly #findNodes = new Map<string, PendingFindNode>();
  /** Of nodes that are being asked already: their answers do not say which question they belong to. */
  readonly #queries = new Map<string, Query[]>();
  readonly #records = new Map<string, PendingRecord>();
  readonly #bonds: Bonds;
  /** Endpoints that are to send something, and how many times. */
  readonly #awaited = new Map<string, number>();
  #open = 0;
  #pingBacks = 0;

  constructor(context: RequestsContext) {
    this.#context = context;
    const { agenda, proofs } = context;
    const ping = (remote: Remote, done: Done<PingResult>) => this.#ping(remote, ATTEMPTS, done);
    this.#bonds = new Bonds({ agenda, proofs, ping });
  }

  /** Requests of our own that await an answer. */
  get open(): number {
    return this.#open;
  }

  get isFull(): boolean {
    return this.#open >= MAX_REQUESTS;
  }

  /** Whether something is to come from that endpoint. */
  awaits(key: string): boolean {
    return this.#awaited.has(key);
  }

  ping(node: KadNode, done: Done<PingResult>): void {
    this.#opened(done, (finish) => this.#ping(remoteOf(node), 1, finish));
  }

  /** Nodes close to a target, at most `BUCKET_SIZE`, whose addresses have been checked. */
  findNode(node: KadNode, target: Uint8Array, done: Done<KadNode[]>): void {
    const remote = remoteOf(node);
    this.#opened(done, (finish) => {
      const ask = (roundsLeft: number): void => {
        this.#bonds.make(remote, FIND_NODE_SETTLE_MS, (isBonded) => {
          if (!isBonded) finish(undefined);
          else this.#query({ remote, target, done: (nodes) => answered(nodes, roundsLeft - 1) });
        });
      };
      const answered = (nodes: KadNode[] | undefined, roundsLeft: number): void => {
        if (nodes === undefined && roundsLeft > 0) ask(roundsLeft);
        else finish(nodes);
      };
      ask(FIND_NODE_ROUNDS);
    });
  }

  /** The node's record, signed by its key; whether it is newer than one that is known is not looked at. */
  record(node: KadNode, done: Done<NodeRecord>): void {
    const remote = remoteOf(node);
    this.#opened(done, (finish) => {
      this.#bonds.make(remote, ENR_SETTLE_MS, (isBonded) => {
        if (!isBonded) finish(undefined);
        else this.#requestRecord(remote, finish);
      });
    });
  }

  /** Whether there is room for a Ping to a stranger who has sent one, and none is on its way. */
  mayPingBack(node: KadNode): boolean {
    return this.#pingBacks < MAX_PING_BACKS && !this.#pings.has(remoteOf(node).key);
  }

  /** Sends it. @param proved called if it is answered */
  pingBack(node: KadNode, proved: () => void): void {
    const remote = remoteOf(node);
    this.#pingBacks++;
    this.#begin(remote, { isBack: true, attempts: 1 }, (result) => {
      if (result !== undefined) proved();
    });
  }

  #opened<T>(done: Done<T>, begin: (finish: Done<T>) => void): void {
    this.#open++;
    begin((result) => {
      this.#open--;
      done(result);
    });
  }

  #await(key: string): void {
    this.#awaited.set(key, (this.#awaited.get(key) ?? 0) + 1);
  }

  #noLongerAwait(key: string): void {
    const count = (this.#awaited.get(key) ?? 0) - 1;
    if (count > 0) this.#awaited.set(key, count);
    else this.#awaited.delete(key);
  }

  // Ping

  #ping(remote: Remote, attempts: number, done: Done<PingResult>): void {
    const pending = this.#pings.get(remote.key);
    if (pending === undefined) {
      this.#begin(remote, { isBack: false, attempts }, done);
      return;
    }
    pending.attemptsLeft = Math.max(pending.attemptsLeft, attempts - 1);
    pending.waiters.push(done);
  }

  /** The content of a Ping, and by that its size. */
  #pingContent({ ip, port }: UdpEndpoint): Uint8Array {
    const { localEndpoint, localSeq } = this.#context;
    const to = { ip, udpPort: port, tcpPort: 0 };
    const expiration = this.#expiration();
    return encodeMessage({ kind: 'ping', from: localEndpoint(), to, expiration, enrSeq: localSeq() });
  }

  /** The size of the Ping that would go to that endpoint. */
  pingSize(endpoint: UdpEndpoint): number {
    return packetSize(this.#pingContent(endpoint));
  }

  #expiration(): number {
    return this.#context.unixSeconds() + PACKET_LIFETIME_S;
  }

  #begin(
    remote: Remote,
    { isBack, attempts }: { isBack: boolean; attempts: number },
    done: Done<PingResult>,
  ) {
    const pending: PendingPing = {
      ...{ remote, isBack, hashes: [], attemptsLeft: attempts, waiters: [done], timeout: NO_TIMEOUT },
      sentAt: 0,
      pingAt: Number.NEGATIVE_INFINITY,
    };
    this.#pings.set(remote.key, pending);
    this.#await(remote.endpointKey);
    const send = () => {
      pending.sentAt = this.#context.agenda.now;
      return this.#pingContent(remote.endpoint);
    };
    this.#attempt(pending, send, () => this.#endPing(remote, undefined));
  }

  /** Sends what `content` gives, and again while there are attempts left and nobody has cancelled the timeout. */
  #attempt(pending: Pending, content: () => Uint8Array, failed: () => void): void {
    const { agenda, outbox } = this.#context;
    pending.attemptsLeft--;
    pending.timeout = agenda.in(REPLY_TIMEOUT_MS, () => {
      if (pending.attemptsLeft > 0) this.#attempt(pending, content, failed);
      else failed();
    });
    outbox.putContent(content(), pending.remote.endpoint, (packet) => {
      pending.hashes.push(packetHash(packet).slice());
    });
  }

  #endPing(remote: Remote, result: PingResult | undefined): void {
    const pending = this.#pings.get(remote.key);
    if (pending === undefined) return;
    pending.timeout.cancel();
    this.#pings.delete(remote.key);
    this.#noLongerAwait(remote.endpointKey);
    if (pending.isBack) this.#pingBacks--;
    if (result !== undefined) this.#context.answered(remote.node, result);
    else if (!pending.isBack) this.#context.silent(remote.node);
    for (const done of pending.waiters) done(result);
  }

  /**
   * Whether the Pong answers a Ping of ours to the one at the endpoint that it came from.
   * @param at when it came, which may be a while ago
   */
  takePong(
    { endpoint, endpointKey, publicKey }: Sender,
    { pingHash, enrSeq, to }: Pong,
    at: number,
  ): boolean {
    const pending = this.#pings.get(remoteKey(endpointKey, publicKey));
    if (!pending?.hashes.some((hash) => equalBytes(hash, pingHash))) return false;
    const { agenda, proofs } = this.#context;
    proofs.add(endpoint, publicKey, agenda.now, pending.pingAt);
    this.#endPing(pending.remote, { enrSeq, seenAs: to, rtt: Math.max(0, at - pending.sentAt) });
    return true;
  }

  /** A Ping of the node's has been answered, which gives it a proof of us. */
  givenProof({ endpointKey, publicKey }: Sender): void {
    const { agenda, proofs } = this.#context;
    const key = remoteKey(endpointKey, publicKey);
    proofs.pinged(endpointKey, publicKey, agenda.now);
    const pending = this.#pings.get(key);
    if (pending !== undefined) pending.pingAt = agenda.now;
    this.#bonds.pinged(key);
  }

  // FindNode

  #query(query: Query): void {
    const { key } = query.remote;
    if (this.#findNodes.has(key)) {
      const queries = this.#queries.get(key) ?? [];
      queries.push(query);
      this.#queries.set(key, queries);
      return;
    }
    const { remote, target } = query;
    const pending: PendingFindNode = {
      ...{ remote, query, nodes: [], hashes: [], attemptsLeft: ATTEMPTS, timeout: NO_TIMEOUT },
      ...{ received: 0, isAnswered: false, isShort: false },
    };
    this.#findNodes.set(key, pending);
    this.#await(remote.endpointKey);
    const content = () => encodeMessage({ kind: 'findNode', target, expiration: this.#expiration() });
    this.#attempt(pending, content, () => this.#endFindNode(key));
  }

  #endFindNode(key: string): void {
    const pending = this.#findNodes.get(key);
    if (pending === undefined) return;
    const { query, nodes, isAnswered, timeout } = pending;
    timeout.cancel();
    this.#findNodes.delete(key);
    this.#noLongerAwait(query.remote.endpointKey);
    if (!isAnswered) this.#unanswered(query.remote);
    const queries = this.#queries.get(key);
    const next = queries?.shift();
    if (queries?.length === 0) this.#queries.delete(key);
    if (next !== undefined) this.#query(next);
    query.done(isAnswered ? nodes : undefined);
  }

  /** Whether the node has been asked for Neighbors. */
  takeNeighbors({ endpoint, endpointKey, publicKey }: Sender, { nodes }: Neighbors): boolean {
    const key = remoteKey(endpointKey, publicKey);
    const pending = this.#findNodes.get(key);
    if (pending === undefined) return false;
    pending.isAnswered = true;
    // The rest of the answer is on its way: it is not asked for again.
    pending.attemptsLeft = 0;
    for (const neighbor of nodes.slice(0, BUCKET_SIZE - pending.received)) {
      const node = this.#relayed(endpoint.ip, neighbor);
      if (node !== undefined) pending.nodes.push(node);
    }
    pending.received += nodes.length;
    if (nodes.length === 0 || pending.received >= BUCKET_SIZE) {
      this.#endFindNode(key);
    } else if (nodes.length < MAX_NEIGHBORS && !pending.isShort) {
      pending.isShort = true;
      const graceMs = Math.min(NEIGHBORS_GRACE_MS, pending.timeout.at - this.#context.agenda.now);
      pending.timeout.cancel();
      pending.timeout = this.#context.agenda.in(graceMs, () => this.#endFindNode(key));
    }
    return true;
  }

  /**
   * A node that somebody else has named, if there may be one. That its key is a point of the curve is not looked at:
   * one that is none answers nothing.
   */
  #relayed(sender: string, { ip, udpPort, tcpPort, publicKey }: Neighbor): KadNode | undefined {
    if (ip === undefined || udpPort < LOWEST_RELAYED_PORT) return undefined;
    if (!mayRelay(sender, ip) || equalBytes(publicKey, this.#context.publicKey)) return undefined;
    return kadNode({ publicKey, ip, udpPort, tcpPort });
  }

  #unanswered({ endpointKey, publicKey, node }: Remote): void {
    const { agenda, proofs, silent } = this.#context;
    proofs.doubt(endpointKey, publicKey, agenda.now);
    silent(node);
  }

  // ENRRequest

  #requestRecord(remote: Remote, done: Done<NodeRecord>): void {
    const known = this.#records.get(remote.key);
    if (known !== undefined) {
      known.waiters.push(done);
      return;
    }
    const pending: PendingRecord = {
      ...{ remote, hashes: [], attemptsLeft: ATTEMPTS, waiters: [done], timeout: NO_TIMEOUT },
    };
    this.#records.set(remote.key, pending);
    this.#await(remote.endpointKey);
    const content = () => encodeMessage({ kind: 'enrRequest', expiration: this.#expiration() });
    this.#attempt(pending, content, () => this.#endRecord(remote, undefined));
  }

  #endRecord(remote: Remote, record: NodeRecord | undefined): void {
    const pending = this.#records.get(remote.key);
    if (pending === undefined) return;
    pending.timeout.cancel();
    this.#records.delete(remote.key);
    this.#noLongerAwait(remote.endpointKey);
    if (record === undefined) this.#unanswered(remote);
    for (const done of pending.waiters) done(record);
  }

  /** Whether the node has been asked for its record, by this request, and has sent it. */
  takeRecord({ endpointKey, publicKey }: Sender, { requestHash, record }: EnrResponse): boolean {
    const pending = this.#records.get(remoteKey(endpointKey, publicKey));
    if (!pending?.hashes.some((hash) => equalBytes(hash, requestHash))) return false;
    const verified = recordOf(record, publicKey);
    if (verified === undefined) return false;
    this.#endRecord(pending.remote, verified);
    return true;
  }
}

function recordOf(encoded: Uint8Array, publicKey: Uint8Array): NodeRecord | undefined {
  try {
    const record = decodeRecord(encoded);
    return equalBytes(record.publicKey, publicKey) ? record : undefined;
  } catch (error) {
    if (isPeerlaneError(error)) return undefined;
    throw error;
  }
}
