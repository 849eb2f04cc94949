/** FindNode requests that await their Neighbors. */

import type { Agenda } from '../base/agenda.ts';
import { equalBytes } from '../base/bytes.ts';
import { BUCKET_SIZE, type KadNode, kadNode, mayName } from '../kad/index.ts';
import { ATTEMPTS, type Attempts } from './attempts.ts';
import { encodeMessage, MAX_NEIGHBORS, type Neighbor, type Neighbors } from './messages.ts';
import {
  type Done,
  isAsked,
  NO_TIMEOUT,
  type Pending,
  type Remote,
  remoteKey,
  type Sender,
} from './pending.ts';

/** How long more Neighbors are awaited behind a packet that is not full: as a rule it is the last. */
const NEIGHBORS_GRACE_MS = 100;

/**
 * How long a question waits for those before it: as many as there may be are answered meanwhile over a quarter of the globe. A
 * node that answers each at the last moment would keep the last of them for minutes.
 */
const MAX_WAIT_MS = 30_000;

export interface Query {
  readonly remote: Remote;
  readonly target: Uint8Array;
  readonly done: Done<KadNode[]>;
}

interface WaitingQuery {
  readonly query: Query;
  readonly until: number;
}

interface PendingFindNode extends Pending {
  readonly query: Query;
  readonly nodes: KadNode[];
  received: number;
  isAnswered: boolean;
  isShort: boolean;
}

export interface FindNodesContext {
  readonly agenda: Agenda;
  readonly attempts: Attempts;
  /** Our own, 64 bytes. */
  readonly publicKey: Uint8Array;
  /** Whether there is a way to the address. */
  reaches(ip: string): boolean;
  /** Told of each that was named, and is not taken since there is none. */
  unreached(node: KadNode): void;
}

export class FindNodes {
  readonly #context: FindNodesContext;
  readonly #pending = new Map<string, PendingFindNode>();
  /** Of nodes that are being asked already: their answers do not say which question they belong to. */
  readonly #waiting = new Map<string, WaitingQuery[]>();

  constructor(context: FindNodesContext) {
    this.#context = context;
  }

  /** Asks a node that has a proof of us, once it has answered what it was asked before. */
  ask(query: Query): void {
    const { remote, target } = query;
    const { key } = remote;
    if (this.#pending.has(key)) {
      const line = this.#waiting.get(key) ?? [];
      line.push({ query, until: this.#context.agenda.now + MAX_WAIT_MS });
      this.#waiting.set(key, line);
      return;
    }
    const pending: PendingFindNode = {
      ...{ remote, query, nodes: [], hashes: [], attemptsLeft: ATTEMPTS, timeout: NO_TIMEOUT },
      ...{ received: 0, isAnswered: false, isShort: false },
    };
    this.#pending.set(key, pending);
    const { attempts } = this.#context;
    const content = () => encodeMessage({ kind: 'findNode', target, expiration: attempts.expiration });
    attempts.begin(pending, content, () => this.#end(pending));
  }

  #end(pending: PendingFindNode): void {
    const { agenda, attempts } = this.#context;
    const { query, nodes, isAnswered, remote, timeout } = pending;
    const { key } = remote;
    this.#pending.delete(key);
    timeout.cancel();
    const line = this.#waiting.get(key) ?? [];
    this.#waiting.delete(key);
    if (!isAnswered) {
      attempts.unanswered(remote);
      query.done(undefined);
      // Who is silent is so for all: one after the other they would wait for minutes.
      for (const { query } of line) query.done(undefined);
      return;
    }
    const inTime = line.filter(({ until }) => until > agenda.now);
    const [next, ...others] = inTime;
    if (others.length > 0) this.#waiting.set(key, others);
    if (next !== undefined) this.ask(next.query);
    query.done(nodes);
    // Whoever came first is late first.
    for (const { query } of line.slice(0, line.length - inTime.length)) query.done(undefined, 'no-turn');
  }

  /** Whether Neighbors are to come from that endpoint. */
  expects(endpointKey: string): boolean {
    return isAsked(this.#pending.values(), endpointKey);
  }

  /** Whether the node has been asked for Neighbors. */
  take({ origin: { endpoint, key }, publicKey }: Sender, { nodes }: Neighbors): boolean {
    const { agenda } = this.#context;
    const pending = this.#pending.get(remoteKey(key, publicKey));
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
      this.#end(pending);
    } else if (nodes.length < MAX_NEIGHBORS && !pending.isShort) {
      pending.isShort = true;
      const graceMs = Math.min(NEIGHBORS_GRACE_MS, pending.timeout.at - agenda.now);
      pending.timeout.cancel();
      pending.timeout = agenda.in(graceMs, () => this.#end(pending));
    }
    return true;
  }

  /**
   * A node that somebody else has named, if there may be one, and a way to it. That its key is a point of the curve is not
   * looked at: one that is none answers nothing.
   */
  #relayed(sender: string, { ip, udpPort, tcpPort, publicKey }: Neighbor): KadNode | undefined {
    if (ip === undefined || !mayName(sender, { ip, udpPort })) return undefined;
    const { publicKey: own, reaches, unreached } = this.#context;
    if (equalBytes(publicKey, own)) return undefined;
    const node = kadNode({ publicKey, ip, udpPort, tcpPort });
    if (reaches(ip)) return node;
    unreached(node);
    return undefined;
  }
}
