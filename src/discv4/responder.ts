/** Answers to the requests of others. */

import type { Agenda } from '../base/agenda.ts';
import { equalBytes } from '../base/bytes.ts';
import { type NodeRecord, nodeIdOf } from '../enr/index.ts';
import {
  BUCKET_SIZE,
  type KadNode,
  kadNode,
  mayRelay,
  sameEndpoint,
  type Table,
  type UdpEndpoint,
} from '../kad/index.ts';
import { PACKET_LIFETIME_S } from './attempts.ts';
import { Debts } from './debts.ts';
import { encodeMessage, type FindNode, MAX_NEIGHBORS, type Ping } from './messages.ts';
import { type Outbox, packetSize } from './outbox.ts';
import { packetHash } from './packet.ts';
import type { Sender } from './pending.ts';
import { PING_KINDS, type PingKind } from './pings.ts';
import { accountsOf, type Proofs } from './proofs.ts';
import type { Requests } from './requests.ts';

export interface ResponderContext {
  readonly agenda: Agenda;
  readonly outbox: Outbox;
  readonly proofs: Proofs;
  readonly requests: Requests;
  readonly table: Table;
  unixSeconds(): number;
  /** Whether there is a way to the address. */
  reaches(ip: string): boolean;
  localRecord(): NodeRecord;
}

interface Affordable {
  /** What Ping, if any, and whether the Pong. */
  readonly ping: PingKind | undefined;
  readonly answers: boolean;
}

export class Responder {
  readonly #context: ResponderContext;
  readonly #debts = new Debts();

  constructor(context: ResponderContext) {
    this.#context = context;
  }

  get #expiration(): number {
    return this.#context.unixSeconds() + PACKET_LIFETIME_S;
  }

  /** Addresses without a proof of which it is known what they got. */
  get debtors(): number {
    return this.#debts.size;
  }

  /**
   * Answers with a Pong, and with a Ping to a node that has not proved its endpoint; with the Pong when that has been
   * answered, if it was too much before.
   */
  ping(sender: Sender, { from }: Ping): void {
    const { packet, origin, publicKey } = sender;
    const { endpoint, key } = origin;
    const { agenda, outbox, proofs, requests, localRecord } = this.#context;
    const { now } = agenda;
    const to = { ip: endpoint.ip, udpPort: endpoint.port, tcpPort: from.tcpPort };
    const pong = encodeMessage({
      ...{ kind: 'pong', to, pingHash: packetHash(packet) },
      ...{ expiration: this.#expiration, enrSeq: localRecord().seq },
    });
    const isProven = proofs.has(key, publicKey, now);
    const node = this.#node(endpoint, publicKey, from.tcpPort);
    const wantsProof = !isProven && requests.pings.mayPingBack(node);
    const { ping, answers } = proofs.knows(key, now)
      ? { ping: wantsProof ? ('whole' as const) : undefined, answers: true }
      : this.#affordable(sender, packetSize(pong), wantsProof);
    const answer = () => outbox.putContent(pong, endpoint);
    const given = () => requests.givenProof({ origin, publicKey });
    if (answers) answer();
    if (isProven) this.#takeIn(node);
    else {
      if (ping !== undefined) requests.pings.pingBack(node, ping);
      requests.pings.whenProved(node, () => {
        this.#proved(node);
        if (answers) return;
        // There was no room for it before.
        answer();
        given();
      });
    }
    // Last, so that a Ping that has just been sent knows of it.
    if (answers) given();
  }

  /**
   * Which of both answers goes to an endpoint that has proved nothing: a forged address gets no more than it seems to have
   * sent, but for these two. Of an address where somebody has proved another endpoint that holds for each endpoint.
   */
  #affordable({ packet, origin }: Sender, pongSize: number, wantsProof: boolean): Affordable {
    const { agenda, proofs, requests } = this.#context;
    const { now } = agenda;
    const { endpoint, network } = origin;
    const debtor = { key: proofs.accountOf(endpoint, now), network };
    const sizeOf = (kind: PingKind) => requests.pings.pingSize(endpoint, kind);
    const sizes = { whole: sizeOf('whole'), short: sizeOf('short') };
    const room = this.#debts.room(debtor, packet.length, pongSize + sizes.whole, now);
    // The Ping first, where there is not enough for both: a node that answers it gets its Pong then.
    const ping = wantsProof ? PING_KINDS.find((kind) => sizes[kind] <= room) : undefined;
    const pingSize = ping === undefined ? 0 : sizes[ping];
    const answers = pongSize <= room - pingSize;
    this.#debts.add(debtor, packet.length, pingSize + (answers ? pongSize : 0), now);
    return { ping, answers };
  }

  /** A node has proved that it is at this address. */
  proved({ ip, udpPort }: KadNode): void {
    for (const account of accountsOf({ ip, port: udpPort })) this.#debts.clear(account);
  }

  /** Takes in a node that has sent a Ping and answered one, which is as good as a check. */
  #proved(node: KadNode): void {
    const { agenda, table } = this.#context;
    this.#takeIn(node);
    const entry = table.get(node.id);
    if (entry !== undefined && sameEndpoint(entry, node)) table.checked(node.id, entry, agenda.now);
  }

  /** Whoever is answered where one does not look for nodes is named to nobody. */
  #takeIn(node: KadNode): void {
    const { agenda, table, reaches } = this.#context;
    if (reaches(node.ip)) table.addInbound(node, agenda.now);
  }

  #node({ ip, port }: UdpEndpoint, publicKey: Uint8Array, tcpPort: number): KadNode {
    const known = this.#context.table.get(nodeIdOf(publicKey));
    return kadNode({ publicKey, ip, udpPort: port, tcpPort, record: known?.record });
  }

  /** Answers a node with a proof with the closest nodes, in as many packets as it takes. */
  findNode({ origin: { endpoint }, publicKey }: Sender, { target }: FindNode): void {
    const { outbox, table } = this.#context;
    const id = nodeIdOf(target);
    // Whoever asks is no answer.
    const accepts = (node: KadNode): boolean =>
      mayRelay(endpoint.ip, node.ip) && !equalBytes(node.publicKey, publicKey);
    const live = table.closest(id, BUCKET_SIZE, { accepts });
    const nodes = live.length > 0 ? live : table.closest(id, BUCKET_SIZE, { onlyLive: false, accepts });
    const expiration = this.#expiration;
    let at = 0;
    do {
      const part = nodes.slice(at, at + MAX_NEIGHBORS);
      outbox.put({ kind: 'neighbors', nodes: part, expiration }, endpoint);
      at += MAX_NEIGHBORS;
    } while (at < nodes.length);
  }

  enrRequest({ packet, origin: { endpoint } }: Sender): void {
    const { outbox, localRecord } = this.#context;
    const record = localRecord().encoded;
    outbox.put({ kind: 'enrResponse', requestHash: packetHash(packet), record }, endpoint);
  }
}
