import { PeerlaneError } from '../base/errors.ts';
import type { Connection } from './connection.ts';
import type { Peer } from './peer.ts';

interface Entry {
  readonly peer: Peer;
  readonly connection: Connection;
  /** Beyond the limits. */
  readonly isStatic: boolean;
}

export interface PeerLimits {
  readonly maxPeers: number;
  /** How many of them may be nodes that we dialed. */
  readonly maxDialedPeers: number;
}

/** The peers that are connected, one at most to a node, and the rules for their slots. Static peers take none. */
export class PeerSet {
  readonly #limits: PeerLimits;
  readonly #entries = new Map<string, Entry>();

  constructor(limits: PeerLimits) {
    this.#limits = limits;
  }

  /** Oldest first. */
  get peers(): readonly Peer[] {
    return [...this.#entries.values()].map(({ peer }) => peer);
  }

  /** Keys of the nodes that are connected. */
  keys(): IterableIterator<string> {
    return this.#entries.keys();
  }

  get(key: string): Peer | undefined {
    return this.#entries.get(key)?.peer;
  }

  /** Slots left for nodes that we dial; negative when more are taken than there are. */
  get freeDialSlots(): number {
    const { maxPeers, maxDialedPeers } = this.#limits;
    let [dialed, counted] = [0, 0];
    for (const { connection, isStatic } of this.#entries.values()) {
      if (isStatic) continue;
      counted++;
      if (!connection.inbound) dialed++;
    }
    return Math.min(maxDialedPeers - dialed, maxPeers - counted);
  }

  /**
   * Looks for a place for a node. When all slots are taken, an inbound one gets that of the oldest inbound peer that
   * no protocol has confirmed yet, which is returned and has to go.
   * @throws PeerlaneError `already-connected`, `too-many-peers`
   */
  place(key: string, inbound: boolean, isStatic: boolean): Connection | undefined {
    if (this.#entries.has(key)) throw new PeerlaneError('already-connected', 'the node is connected already');
    if (isStatic || !this.#isFull) return undefined;
    const provisional = inbound ? this.#provisional : undefined;
    if (provisional === undefined) throw tooManyPeers();
    return provisional;
  }

  add(key: string, peer: Peer, connection: Connection, isStatic: boolean): void {
    this.#entries.set(key, { peer, connection, isStatic });
  }

  /** Takes the peer of a connection away; false if the node is no peer, or is one by another connection. */
  remove(key: string, connection: Connection): boolean {
    return this.#entries.get(key)?.connection === connection && this.#entries.delete(key);
  }

  get #isFull(): boolean {
    let counted = 0;
    for (const { isStatic } of this.#entries.values()) if (!isStatic) counted++;
    return counted >= this.#limits.maxPeers;
  }

  get #provisional(): Connection | undefined {
    for (const { connection, isStatic } of this.#entries.values()) {
      if (!isStatic && connection.inbound && !connection.confirmedPeer) return connection;
    }
    return undefined;
  }
}

export function tooManyPeers(): PeerlaneError {
  return new PeerlaneError('too-many-peers', 'all peer slots are taken');
}
