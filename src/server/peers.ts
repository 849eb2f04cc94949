import { PeerlaneError } from '../base/errors.ts';
import type { Connection } from './connection.ts';
import { alreadyConnected, haveCrossed } from './duplicates.ts';
import { NetworkSlots } from './network-slots.ts';
import type { Peer } from './peer.ts';

export interface Entry {
  readonly peer: Peer;
  readonly connection: Connection;
  /** Beyond the limits. */
  readonly isStatic: boolean;
}

export interface PeerLimits {
  readonly maxPeers: number;
  /** How many of them may be nodes that we dialed. */
  readonly maxDialedPeers: number;
  /** How many of them may be nodes that came in. */
  readonly maxInboundPeers: number;
}

/** The peers that are connected, one at most to a node, and the rules for their slots. Static peers take none. */
export class PeerSet {
  readonly #limits: PeerLimits;
  readonly #entries = new Map<string, Entry>();
  /** Connections to inbound peers that we have dialed for a slot, and that may yet take the place of the ones that came in. */
  readonly #awaited = new Set<Connection>();
  /** Of inbound peers. */
  readonly #slots: NetworkSlots;

  constructor(limits: PeerLimits) {
    this.#limits = limits;
    this.#slots = new NetworkSlots(limits.maxPeers);
  }

  /** Oldest first. */
  get peers(): readonly Peer[] {
    return [...this.#entries.values()].map(({ peer }) => peer);
  }

  get size(): number {
    return this.#entries.size;
  }

  /** A copy, oldest first: what is done with them may take some away. */
  entries(): readonly Entry[] {
    return [...this.#entries.values()];
  }

  /** Keys of the nodes that are connected. */
  keys(): IterableIterator<string> {
    return this.#entries.keys();
  }

  get(key: string): Peer | undefined {
    return this.#entries.get(key)?.peer;
  }

  /** How many came in, were dialed, and of these are beyond the limits. */
  get counts(): { readonly inbound: number; readonly dialed: number; readonly kept: number } {
    let [inbound, dialed, kept] = [0, 0, 0];
    for (const { connection, isStatic } of this.#entries.values()) {
      if (connection.inbound) inbound++;
      else dialed++;
      if (isStatic) kept++;
    }
    return { inbound, dialed, kept };
  }

  /** Slots for nodes that we dial. */
  get dialSlots(): number {
    return this.#limits.maxDialedPeers;
  }

  /** Slots left for nodes that we dial; negative when more are taken than there are. */
  get freeDialSlots(): number {
    const { dialed, all } = this.#freeSlots;
    return Math.min(dialed, all);
  }

  /** Whether all slots are taken that nodes may have which come in. */
  get isFullForInbound(): boolean {
    const { inbound, all } = this.#freeSlots;
    return Math.min(inbound, all) <= 0;
  }

  get #freeSlots(): { readonly inbound: number; readonly dialed: number; readonly all: number } {
    const { maxPeers, maxDialedPeers, maxInboundPeers } = this.#limits;
    const { size: awaited } = this.#awaited;
    let [inbound, dialed] = [0, 0];
    for (const { connection, isStatic } of this.#entries.values()) {
      if (isStatic) continue;
      if (connection.inbound) inbound++;
      else dialed++;
    }
    return {
      inbound: maxInboundPeers - inbound,
      dialed: maxDialedPeers - dialed - awaited,
      all: maxPeers - inbound - dialed,
    };
  }

  /** The peer of the node by a connection that has crossed this one. */
  rival(key: string, connection: Connection): Peer | undefined {
    const entry = this.#entries.get(key);
    return entry !== undefined && haveCrossed(entry.connection, connection) ? entry.peer : undefined;
  }

  /** Keeps a slot for a connection that we have dialed and that has crossed the one of an inbound peer, until it is a peer or gone. */
  expect(connection: Connection): void {
    this.#awaited.add(connection);
  }

  /**
   * Looks for a place for a node. When all slots are taken, or all that are for its network, an inbound one gets that of the
   * oldest inbound peer that no protocol has confirmed yet, which is returned and has to go.
   * @throws PeerlaneError `already-connected`, `too-many-peers`
   */
  place(key: string, { inbound, remoteAddress }: Connection, isStatic: boolean): Connection | undefined {
    if (this.#entries.has(key)) throw alreadyConnected();
    if (isStatic) return undefined;
    const crowded = inbound ? this.#slots.crowded(remoteAddress) : undefined;
    if (crowded === undefined && this.#hasRoom(inbound)) return undefined;
    const provisional = inbound ? this.#provisional(crowded) : undefined;
    if (provisional !== undefined) return provisional;
    throw tooManyPeers(crowded === undefined ? undefined : 'all peer slots for its network are taken');
  }

  add(key: string, peer: Peer, connection: Connection, isStatic: boolean): void {
    const entry = { peer, connection, isStatic };
    this.#awaited.delete(connection);
    this.#entries.set(key, entry);
    this.#count(entry, 'add');
  }

  /** Whether the limits hold for a peer from now on, which stays also where they are exceeded then. */
  regrade(key: string, isStatic: boolean): void {
    const entry = this.#entries.get(key);
    if (entry === undefined || entry.isStatic === isStatic) return;
    this.#count(entry, 'remove');
    const regraded = { ...entry, isStatic };
    // In its place: the order is that of their coming.
    this.#entries.set(key, regraded);
    this.#count(regraded, 'add');
  }

  /** Takes the peer of a connection away; false if the node is no peer, or is one by another connection. */
  remove(key: string, connection: Connection): boolean {
    this.#awaited.delete(connection);
    const entry = this.#entries.get(key);
    if (entry?.connection !== connection) return false;
    this.#count(entry, 'remove');
    return this.#entries.delete(key);
  }

  #count({ connection: { inbound, remoteAddress }, isStatic }: Entry, change: 'add' | 'remove'): void {
    if (inbound && !isStatic) this.#slots.count(remoteAddress, change);
  }

  #hasRoom(inbound: boolean): boolean {
    return inbound ? !this.isFullForInbound : this.#freeSlots.all > 0;
  }

  #provisional(isCounted: (ip: string) => boolean = () => true): Connection | undefined {
    for (const { connection, isStatic } of this.#entries.values()) {
      const { inbound, confirmedPeer, remoteAddress } = connection;
      if (!isStatic && inbound && !confirmedPeer && isCounted(remoteAddress)) return connection;
    }
    return undefined;
  }
}

export function tooManyPeers(message = 'all peer slots are taken'): PeerlaneError {
  return new PeerlaneError('too-many-peers', message);
}
