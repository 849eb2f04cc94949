import { toBareHex } from '../base/bytes.ts';
import { Counts } from '../base/counts.ts';
import type { Env, Timer } from '../base/env.ts';
import { PeerlaneError } from '../base/errors.ts';
import { withoutZone } from '../base/ip.ts';
import { forgetOldest } from '../base/recent.ts';
import type { Wire } from '../io/tcp.ts';
import type { Connection } from './connection.ts';
import { hasLimits, networkOf } from './node-db/network.ts';

/** How long an inbound connection keeps its place, whatever it does, while others wait for one. */
export const PENDING_TURN_MS = 250;
/** Sockets that wait for a place; with more, whoever has kept silent for the longest time goes at once. */
export const MAX_WAITING_INBOUND = 512;
/** One network has no more of the places while others wait, or makes room itself. */
export const PENDING_NETWORK_SHARE = 0.2;
/** Auths that are remembered: about as many as can come while the first of them has to be followed by a Hello. */
export const MAX_REMEMBERED_AUTHS = 1024;

export interface PendingInboundOptions {
  /** Connections at a time. */
  readonly limit: number;
  readonly env: Pick<Env, 'now' | 'setTimer' | 'setImmediate'>;
  readonly begin: (wire: Wire) => Connection;
}

/** Who takes turns with others: a network (/24, IPv6: /48), as all in it may be one host's; on this machine and in a LAN an address. */
type Owner = number | string;

interface Place {
  readonly owner: Owner;
  readonly began: number;
}

/**
 * Inbound connections that have not become peers yet, and sockets that wait to be one. When many come at once, each has its
 * turn, and is told why it is turned away; silence keeps nobody out, since whoever is silent makes room, and neither do many
 * addresses of one network, as networks take turns.
 */
export class PendingInbound {
  readonly #options: PendingInboundOptions;
  readonly #share: number;
  /** Oldest first. */
  readonly #places = new Map<Connection, Place>();
  readonly #placesOf = new Counts<Owner>();
  /** Sockets that wait; the owner whose turn is next stands first. */
  readonly #lines = new Map<Owner, Wire[]>();
  #waiting = 0;
  /** Nonces of auths. */
  readonly #auths = new Set<string>();
  readonly #replays = new WeakSet<Connection>();
  #timer: Timer | undefined;
  #isFilling = false;

  constructor(options: PendingInboundOptions) {
    this.#options = options;
    this.#share = Math.ceil(options.limit * PENDING_NETWORK_SHARE);
  }

  /** Connections, and sockets that wait to be one. */
  get size(): number {
    return this.#places.size + this.#waiting;
  }

  accept(wire: Wire): void {
    const owner = ownerOf(wire);
    const line = this.#lines.get(owner);
    if (line === undefined) this.#lines.set(owner, [wire]);
    else line.push(wire);
    this.#waiting++;
    this.#fill();
  }

  /** An auth has come, which costs nothing when it was made for an earlier connection. @param nonce the one in it */
  identified(connection: Connection, nonce: Uint8Array): void {
    const name = toBareHex(nonce);
    if (this.#auths.has(name)) this.#replays.add(connection);
    this.#auths.add(name);
    forgetOldest(this.#auths, MAX_REMEMBERED_AUTHS);
  }

  /** The connection has become a peer, or is over. */
  delete(connection: Connection): void {
    if (this.#remove(connection)) this.#fill();
  }

  /** Closes the sockets that wait. */
  close(): void {
    this.#timer?.cancel();
    const lines = [...this.#lines.values()];
    this.#lines.clear();
    this.#waiting = 0;
    for (const wire of lines.flat()) wire.destroy();
  }

  /** @param isTurnOver whether those whose turn is over make room */
  #fill(isTurnOver = false): void {
    // Whoever has to make room is deleted by that.
    if (this.#isFilling) return;
    this.#isFilling = true;
    try {
      while (this.#waiting > 0 && this.#hasRoom(isTurnOver)) this.#beginNext();
    } finally {
      this.#isFilling = false;
    }
    this.#wait();
  }

  #beginNext(): void {
    const { env, begin } = this.#options;
    const owner = this.#next();
    const line = owner === undefined ? undefined : this.#lines.get(owner);
    const wire = line?.shift();
    if (owner === undefined || line === undefined || wire === undefined) return;
    this.#waiting--;
    this.#lines.delete(owner);
    // Behind all others.
    if (line.length > 0) this.#lines.set(owner, line);
    const connection = begin(wire);
    if (connection.endError !== undefined) return;
    this.#places.set(connection, { owner, began: env.now() });
    this.#placesOf.add(owner);
  }

  /** Of those who wait the one that has the fewest places, and of these the one whose turn is next. */
  #next(): Owner | undefined {
    let next: Owner | undefined;
    let fewest = Number.POSITIVE_INFINITY;
    for (const owner of this.#lines.keys()) {
      const places = this.#placesOf.of(owner);
      if (places >= fewest) continue;
      [next, fewest] = [owner, places];
      if (places === 0) break;
    }
    return next;
  }

  #hasRoom(isTurnOver: boolean): boolean {
    if (this.#places.size < this.#options.limit) return true;
    const isCrowd = this.#waiting > MAX_WAITING_INBOUND;
    if (!isCrowd && !isTurnOver) return false;
    const latest = isCrowd ? Number.POSITIVE_INFINITY : this.#options.env.now() - PENDING_TURN_MS;
    const due = this.#mayLeave().filter(([, { began }]) => began <= latest);
    const [leaving] = due.find(([connection]) => !this.#hasIdentity(connection)) ?? due[0] ?? [];
    if (leaving === undefined) return false;
    this.#remove(leaving);
    leaving.close(new PeerlaneError('pending-replaced', 'a newer connection took the place'));
    return true;
  }

  /**
   * Those that make room when their turn is over, oldest first. Where a network has more than its share, they are of the one
   * that has the most; else whoever has no identity is one of them, too.
   */
  #mayLeave(): [Connection, Place][] {
    const { most } = this.#placesOf;
    return [...this.#places].filter(
      ([connection, { owner }]) =>
        this.#placesOf.of(owner) === most || (most <= this.#share && !this.#hasIdentity(connection)),
    );
  }

  #hasIdentity(connection: Connection): boolean {
    return connection.hasIdentity && !this.#replays.has(connection);
  }

  #remove(connection: Connection): boolean {
    const place = this.#places.get(connection);
    if (place === undefined) return false;
    this.#places.delete(connection);
    this.#placesOf.remove(place.owner);
    return true;
  }

  #wait(): void {
    if (this.#timer !== undefined || this.#waiting === 0 || this.#places.size === 0) return;
    const [first] = this.#mayLeave();
    if (first === undefined) return;
    const { env } = this.#options;
    const [, { began }] = first;
    this.#timer = env.setTimer(Math.max(0, began + PENDING_TURN_MS - env.now()), () => {
      // After a stall of this process, what they have said meanwhile comes first.
      this.#timer = env.setImmediate(() => {
        this.#timer = undefined;
        this.#fill(true);
      });
    });
  }
}

function ownerOf({ remoteAddress }: Wire): Owner {
  const network = networkOf(withoutZone(remoteAddress));
  return hasLimits(network) ? network : remoteAddress;
}
