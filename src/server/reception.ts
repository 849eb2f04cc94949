/** Who becomes a peer of a server, by which of its connections, and what is noted of each that ends. */
import { compareBytes, toBareHex } from '../base/bytes.ts';
import type { Env } from '../base/env.ts';
import { isPeerlaneError, type PeerlaneError, toPeerlaneError } from '../base/errors.ts';
import type { Wire } from '../io/tcp.ts';
import type { PeerInfo } from '../p2p/index.ts';
import { Admission } from './admission.ts';
import { bannedError, type Conduct } from './conduct.ts';
import type { Connection, ConnectionOwner } from './connection.ts';
import type { Dialed } from './connector.ts';
import type { Dialer } from './dialer.ts';
import { Duplicates } from './duplicates.ts';
import type { ServerEvent } from './events.ts';
import { Evictor } from './evictor.ts';
import type { AddressRule } from './net-restrict.ts';
import type { NodeNotes } from './node-notes.ts';
import type { Observations } from './observations.ts';
import { Peer } from './peer.ts';
import { type PeerSet, tooManyPeers } from './peers.ts';
import { PendingInbound } from './pending-inbound.ts';
import type { ServerMeter } from './server-meter.ts';
import type { Trusted } from './trusted.ts';

export interface ReceptionOptions {
  readonly env: Env;
  /** Our own key: of two connections that have crossed each other, the node with the larger one decides. */
  readonly publicKey: Uint8Array;
  /** Inbound connections at a time that are no peers yet. */
  readonly maxPending: number;
  readonly allows: AddressRule;
  readonly peers: PeerSet;
  readonly dialer: Dialer;
  /** Nodes that are let in whatever the limits; they may change. */
  readonly trusted: Pick<Trusted, 'has'>;
  readonly conduct: Conduct;
  readonly meter: ServerMeter;
  readonly notes: NodeNotes;
  readonly observations: Observations;
  /** Whether there may be other nodes to be dialed than those that are connected. */
  readonly hasOthersToDial: () => boolean;
  /** Begins the handshake of a connection that came in. */
  readonly begin: (wire: Wire) => Connection;
  readonly onEvent: (event: ServerEvent) => void;
}

export class Reception {
  readonly #options: ReceptionOptions;
  readonly #pendingInbound: PendingInbound;
  readonly #admission: Admission;
  readonly #duplicates: Duplicates;
  readonly #evictor: Evictor;

  constructor(options: ReceptionOptions) {
    const { env, maxPending: limit, allows, begin, peers, conduct, hasOthersToDial } = options;
    this.#options = options;
    this.#pendingInbound = new PendingInbound({ limit, env, begin });
    this.#admission = new Admission(env, allows, (ip) => conduct.refusesAddress(ip));
    this.#duplicates = new Duplicates(env);
    this.#evictor = new Evictor({ env, peers, conduct, hasOthersToDial });
  }

  /** Inbound connections that are no peers yet. */
  get pending(): number {
    return this.#pendingInbound.size;
  }

  close(): void {
    this.#pendingInbound.close();
    this.#evictor.close();
  }

  /** A connection has come in. */
  accept(wire: Wire): void {
    const { meter, observations, onEvent } = this.#options;
    const { remoteAddress, remotePort } = wire;
    meter.accepted();
    const error = this.#admission.refusal(remoteAddress);
    if (error === undefined) {
      this.#pendingInbound.accept(wire);
      return;
    }
    wire.destroy();
    if (error.code === 'address-refused') observations.turnedAway();
    meter.inboundFailed(error);
    onEvent({ kind: 'connection-failed', inbound: true, remoteAddress, remotePort, error });
  }

  /** Who is told what happens to a connection, which came in unless it was dialed. */
  ownerOf(dialed: Dialed | undefined): Omit<ConnectionOwner, 'gone'> {
    const { conduct, onEvent } = this.#options;
    return {
      identified: (connection, remoteId, nonce) => {
        if (connection.inbound) this.#pendingInbound.identified(connection, nonce);
        this.#identified(connection, remoteId);
      },
      opened: (connection, peer) => this.#opened(connection, peer, dialed),
      closed: (connection, error) => this.#closed(connection, error, dialed),
      reported: ({ remoteId, remoteAddress }, kind) => {
        if (remoteId !== undefined) conduct.record(toBareHex(remoteId), kind, remoteAddress);
      },
      handlerFailed: (connection, error) => {
        onEvent({ kind: 'handler-failed', peer: connection.peer, error });
        // Of our family it is a fault in the last words of a peer that has left: who leaves in time would get away with it.
        if (isPeerlaneError(error)) this.#judge(connection, error);
      },
    };
  }

  /** Whom the user has named: beyond the limits. */
  isKept(key: string): boolean {
    const { dialer, trusted } = this.#options;
    return dialer.keeps(key) || trusted.has(key);
  }

  /** The user has named the node, or does not want it any more: the limits hold for it as they do now. */
  regrade(key: string): void {
    const { peers, dialer } = this.#options;
    peers.regrade(key, this.isKept(key));
    // A slot may be free now, and a ban may not hold any more.
    dialer.plan();
  }

  /** The dialer has looked whom to dial. */
  dialsPlanned(): void {
    this.#evictor.dialsPlanned();
  }

  /** The slots are looked at twice: before Hello to spare the work, after it because others may have come in. */
  #identified(connection: Connection, remoteId: Uint8Array): void {
    const { conduct, peers } = this.#options;
    const key = toBareHex(remoteId);
    const ban = conduct.banOf(key, connection.remoteAddress);
    if (ban !== undefined) throw bannedError(ban);
    if (this.#rival(key, connection) !== undefined) return;
    peers.place(key, connection, !connection.inbound || this.isKept(key));
  }

  /** The peer of the node by a connection that has crossed this one, when none is held yet. */
  #rival(key: string, connection: Connection): Peer | undefined {
    return this.#duplicates.has(key) ? undefined : this.#options.peers.rival(key, connection);
  }

  #opened(connection: Connection, info: PeerInfo, dialed: Dialed | undefined): 'held' | undefined {
    const key = toBareHex(info.id);
    const rival = this.#rival(key, connection);
    if (rival === undefined) {
      this.#admit(key, connection, info, dialed);
      return undefined;
    }
    // The dial is over for who waits for it, but not its slot.
    if (dialed?.takesSlot === true && !this.isKept(key)) this.#options.peers.expect(connection);
    dialed?.resolve(rival);
    this.#duplicates.hold(key, connection, compareBytes(this.#options.publicKey, info.id) > 0, () => {
      try {
        this.#admit(key, connection, info, dialed);
      } catch (error) {
        connection.close(toPeerlaneError(error));
        return;
      }
      if (connection.endError === undefined) connection.begin();
    });
    return 'held';
  }

  #admit(key: string, connection: Connection, info: PeerInfo, dialed: Dialed | undefined): void {
    const { env, peers, conduct, meter, notes, observations, onEvent } = this.#options;
    // Since the handshake it may have been banned.
    const ban = conduct.banOf(key, connection.remoteAddress);
    if (ban !== undefined) throw bannedError(ban);
    // Whom the user has given, by `staticNodes`, `addPeer` or `dial`, is beyond the limits.
    const isStatic = this.isKept(key) || dialed?.takesSlot === false;
    const displaced = peers.place(key, connection, isStatic);
    const peer = new Peer(connection, info, env.now());
    meter.opened(info, env.now() - connection.openedAt);
    this.#pendingInbound.delete(connection);
    peers.add(key, peer, connection, isStatic);
    // Not before: the slot would be free for a moment, and somebody would be dialed for it.
    displaced?.close(tooManyPeers());
    notes.connected(info, dialed?.enode);
    observations.connected(info);
    dialed?.resolve(peer);
    onEvent({ kind: 'peer-connected', peer: info });
  }

  #closed(connection: Connection, error: PeerlaneError, dialed: Dialed | undefined): void {
    const { env, peers, dialer, meter, observations, onEvent } = this.#options;
    this.#pendingInbound.delete(connection);
    dialed?.reject(error);
    const { peer, inbound, remoteAddress, remotePort } = connection;
    const key = peer === undefined ? '' : toBareHex(peer.id);
    const stayedMs = env.now() - (peers.get(key)?.connectedAt ?? 0);
    // While it is still one of the peers, which has a say in what follows.
    this.#judge(connection, error);
    const wasPeer = peer !== undefined && peers.remove(key, connection);
    if (wasPeer) {
      meter.left(error);
      observations.disconnected(peer, error, stayedMs);
      dialer.left(key, stayedMs, error);
      onEvent({ kind: 'peer-disconnected', peer, error, redialInMs: dialer.redialInMs(key) });
    } else {
      if (inbound) {
        meter.inboundFailed(error);
        observations.refused(connection, error);
      }
      onEvent({ kind: 'connection-failed', inbound, remoteAddress, remotePort, error });
    }
    if (inbound && !wasPeer && error.code === 'too-many-peers') this.#evictor.wanted('inbound');
    this.#duplicates.ended(key, connection, wasPeer ? error : undefined);
    dialer.plan();
  }

  /** What the end of a connection says of who was behind it. */
  #judge({ inbound, remoteAddress, remoteId, peer }: Connection, error: PeerlaneError): void {
    const { conduct } = this.#options;
    if (remoteId !== undefined)
      conduct.ended(toBareHex(remoteId), error, peer !== undefined || !inbound, remoteAddress);
    else if (inbound) conduct.endedUnknown(remoteAddress, error);
  }
}
