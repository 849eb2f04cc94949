/** Pings that await their Pongs: those of our own, and those that go back to strangers. */

import type { Agenda } from '../base/agenda.ts';
import { equalBytes } from '../base/bytes.ts';
import { type Asked, type KadNode, Silence, type UdpEndpoint } from '../kad/index.ts';
import type { Attempts } from './attempts.ts';
import { encodeMessage, type Pong, type WireEndpoint } from './messages.ts';
import { packetSize } from './outbox.ts';
import {
  type Done,
  NO_TIMEOUT,
  type Pending,
  type PingResult,
  type Remote,
  remoteKey,
  remoteOf,
  type Sender,
} from './pending.ts';
import type { Proofs } from './proofs.ts';

/** Pings that go back to strangers who have sent one, at a time. */
export const MAX_PING_BACKS = 1024;
/** Pongs to one Ping whose signatures are looked at: the true one, and some that are not. */
const MAX_PONGS = 3;

/** A Ping with all that it may say, and one without the sequence number, a few bytes shorter: older clients send no more. */
export const PING_KINDS = ['whole', 'short'] as const;
export type PingKind = (typeof PING_KINDS)[number];

interface PendingPing extends Pending {
  sentAt: number;
  /** Pongs that were let in. */
  pongs: number;
  readonly isBack: boolean;
  /** When a Ping of theirs was answered, while this one was on its way. */
  pingAt: number;
  /** None for one that goes back to a stranger, unless we ask the same node meanwhile. */
  readonly waiters: Done<PingResult>[];
  /** What is to be done when the node has answered, for the Ping of its own that came last. */
  proved: (() => void) | undefined;
}

export interface PingsContext {
  readonly agenda: Agenda;
  readonly attempts: Attempts;
  readonly proofs: Proofs;
  /** @param to the address that the Ping goes to */
  localEndpoint(to: string): WireEndpoint;
  localSeq(): bigint;
  /** A node has answered a Ping; told before whoever sent it is. */
  answered(node: KadNode, result: PingResult): void;
  /** A node has left a Ping without an answer. */
  silent(node: KadNode): void;
}

export class Pings {
  readonly #context: PingsContext;
  readonly #pending = new Map<string, PendingPing>();
  /** The same by endpoint: there may be several nodes at one. */
  readonly #atEndpoint = new Map<string, PendingPing[]>();
  readonly #silence: Silence;
  #backs = 0;

  constructor(context: PingsContext) {
    this.#context = context;
    this.#silence = new Silence(context.proofs);
  }

  /** Those that go back to strangers and await an answer. */
  get backs(): number {
    return this.#backs;
  }

  /** Waits for the answer to one that is on its way, or sends one, so many times if need be. */
  ping(remote: Remote, attempts: number, done: Done<PingResult>): void {
    const pending = this.#pending.get(remote.key);
    if (pending === undefined) {
      this.#begin(remote, { isBack: false, attempts, kind: 'whole' }, [done]);
      return;
    }
    pending.attemptsLeft = Math.max(pending.attemptsLeft, attempts - 1);
    pending.waiters.push(done);
  }

  /** As `ping`, to a node that others have named: where nobody answers, it is not sent again and again. */
  pingNamed(remote: Remote, attempts: number, done: Done<PingResult>): void {
    const { agenda, proofs } = this.#context;
    const asked = atEndpoint(remote);
    if (proofs.knows(remote.endpointKey, agenda.now) || !this.#silence.isKept(asked, agenda.now)) {
      this.ping(remote, attempts, done);
      return;
    }
    const failure = this.#silence.isSilent(asked, agenda.now) ? 'withheld-ping' : 'withheld-address';
    agenda.in(0, () => done(undefined, failure));
  }

  /** Whether there is room for a Ping to a stranger who has sent one, and none is on its way. */
  mayPingBack(node: KadNode): boolean {
    return this.#backs < MAX_PING_BACKS && !this.#pending.has(remoteOf(node).key);
  }

  /** Sends it. */
  pingBack(node: KadNode, kind: PingKind): void {
    this.#backs++;
    this.#begin(remoteOf(node), { isBack: true, attempts: 1, kind });
  }

  /** Has something done when the node answers the Ping that is on its way to it, if there is one; the last wins. */
  whenProved(node: KadNode, proved: () => void): void {
    const pending = this.#pending.get(remoteOf(node).key);
    if (pending !== undefined) pending.proved = proved;
  }

  /** Whether a Pong is to come from that endpoint. */
  expects(endpointKey: string): boolean {
    return this.#atEndpoint.has(endpointKey);
  }

  /** Whether a Pong that may be the awaited one has come from that endpoint, and is going to be verified. */
  isAnswering(endpointKey: string): boolean {
    return (this.#atEndpoint.get(endpointKey) ?? []).some(({ pongs }) => pongs > 0);
  }

  /** Whether a Pong with this hash may be the one that is awaited, whoever signs it; of each Ping a few are let in. */
  admits(endpointKey: string, pingHash: Uint8Array): boolean {
    const pending = this.#withHash(endpointKey, pingHash);
    return pending !== undefined && pending.pongs < MAX_PONGS;
  }

  /** A Pong with this hash has been let in. */
  admitted(endpointKey: string, pingHash: Uint8Array): void {
    const pending = this.#withHash(endpointKey, pingHash);
    if (pending !== undefined) pending.pongs++;
  }

  #withHash(endpointKey: string, pingHash: Uint8Array): PendingPing | undefined {
    const there = this.#atEndpoint.get(endpointKey) ?? [];
    return there.find(({ hashes }) => hashes.some((hash) => equalBytes(hash, pingHash)));
  }

  /** The size of the Ping that would go to that endpoint. */
  pingSize(endpoint: UdpEndpoint, kind: PingKind): number {
    return packetSize(this.#content(endpoint, kind));
  }

  #content({ ip, port }: UdpEndpoint, kind: PingKind): Uint8Array {
    const { attempts, localEndpoint, localSeq } = this.#context;
    const to = { ip, udpPort: port, tcpPort: 0 };
    const { expiration } = attempts;
    const enrSeq = kind === 'whole' ? localSeq() : undefined;
    const own = localEndpoint(ip);
    // An address of IPv6 is of no use to a host of IPv4, and makes a Ping longer than the one that it may have to answer.
    const isOfUse = ip.includes(':') || own.ip?.includes(':') !== true;
    const from = isOfUse ? own : { ...own, ip: undefined };
    return encodeMessage({ kind: 'ping', from, to, expiration, enrSeq });
  }

  #begin(
    remote: Remote,
    { isBack, attempts, kind }: { isBack: boolean; attempts: number; kind: PingKind },
    waiters: Done<PingResult>[] = [],
  ): void {
    const pending: PendingPing = {
      ...{ remote, isBack, hashes: [], attemptsLeft: attempts, waiters, timeout: NO_TIMEOUT },
      ...{ sentAt: 0, pongs: 0, proved: undefined },
      pingAt: Number.NEGATIVE_INFINITY,
    };
    this.#pending.set(remote.key, pending);
    const there = this.#atEndpoint.get(remote.endpointKey);
    if (there === undefined) this.#atEndpoint.set(remote.endpointKey, [pending]);
    else there.push(pending);
    const content = () => {
      pending.sentAt = this.#context.agenda.now;
      return this.#content(remote.endpoint, kind);
    };
    this.#context.attempts.begin(pending, content, () => this.#end(pending, undefined));
  }

  #end(pending: PendingPing, result: PingResult | undefined): void {
    const { agenda, answered, silent } = this.#context;
    const { remote, isBack, hashes, waiters, timeout } = pending;
    // The one that goes back is paid for by the Ping that it answers; those that follow it are our own.
    const own = isBack ? hashes.length - 1 : hashes.length;
    if (result !== undefined) this.#silence.break(atEndpoint(remote));
    else if (own > 0) this.#silence.add(atEndpoint(remote), own, agenda.now);
    timeout.cancel();
    this.#pending.delete(remote.key);
    const others = (this.#atEndpoint.get(remote.endpointKey) ?? []).filter((other) => other !== pending);
    if (others.length > 0) this.#atEndpoint.set(remote.endpointKey, others);
    else this.#atEndpoint.delete(remote.endpointKey);
    if (isBack) this.#backs--;
    if (result !== undefined) answered(remote.node, result);
    else if (waiters.length > 0) silent(remote.node);
    for (const done of waiters) done(result);
    if (result !== undefined) pending.proved?.();
  }

  /**
   * Whether the Pong answers a Ping of ours to the one at the endpoint that it came from.
   * @param at when it came, which may be a while ago
   */
  take(
    { origin: { endpoint, key }, publicKey }: Sender,
    { pingHash, enrSeq, to }: Pong,
    at: number,
  ): boolean {
    const pending = this.#pending.get(remoteKey(key, publicKey));
    if (!pending?.hashes.some((hash) => equalBytes(hash, pingHash))) return false;
    const { agenda, proofs } = this.#context;
    proofs.add(endpoint, publicKey, agenda.now, pending.pingAt);
    this.#end(pending, { enrSeq, seenAs: to, rtt: Math.max(0, at - pending.sentAt) });
    return true;
  }

  /** A Ping of the node with that key (`Remote.key`) has been answered, while one of ours may be on its way. */
  pinged(key: string): void {
    const pending = this.#pending.get(key);
    if (pending !== undefined) pending.pingAt = this.#context.agenda.now;
  }
}

/** Whoever is there, whichever node was meant: it answers, and asks for a Pong of ours, which proves that somebody is. */
const atEndpoint = ({ endpoint, endpointKey }: Remote): Asked => ({ key: endpointKey, endpoint });
