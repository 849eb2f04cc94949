/** What nodes say of themselves by their records, which the table follows. */
import type { Agenda } from '../base/agenda.ts';
import { toBareHex } from '../base/bytes.ts';
import { FairPlaces } from '../base/fair-places.ts';
import { Held } from '../base/recent.ts';
import type { NodeRecord } from '../enr/index.ts';
import {
  isAt,
  type KadNode,
  kadNode,
  mayName,
  newestRecord,
  nodeOfRecord,
  nodeOfRecordAt,
  originOf,
  type RequestRoom,
  sameEndpoint,
  type Table,
  type UdpEndpoint,
} from '../kad/index.ts';
import type { Done } from './questions.ts';
import type { Remote } from './remote.ts';
import type { ReceivedMessage } from './wire.ts';

/** A node is asked for a newer record once in this time, and of so many it is remembered that they were: more than a table has. */
const RENEWAL_INTERVAL_MS = 10_000;
const MAX_RENEWALS = 1_024;
/**
 * Those who have no place in the table are as many as there are sessions: no more of them are asked at once. Networks share that, for
 * keys cost nothing.
 */
export const MAX_STRANGERS_ASKED = 16;

type Teller = Pick<ReceivedMessage, 'remote' | 'record' | 'isNew'>;

export interface ShownRecordsContext {
  readonly agenda: Agenda;
  readonly table: Table;
  /** Whether there is a way to the address. */
  reaches(ip: string): boolean;
  readonly room: Pick<RequestRoom, 'isFull'>;
  /** Asks a node for its record. */
  ask(node: KadNode, done: Done<NodeRecord>): void;
}

export class ShownRecords {
  readonly #context: ShownRecordsContext;
  readonly #renewals = new Held(MAX_RENEWALS);
  /** The same of those who have no place in the table, who are to drive none of the others out, and of those who get one again. */
  readonly #strangers = new Held(MAX_RENEWALS);
  readonly #returns = new Held(MAX_RENEWALS);
  readonly #strangersAsked = new FairPlaces(MAX_STRANGERS_ASKED);

  constructor(context: ShownRecordsContext) {
    this.#context = context;
  }

  /**
   * Somebody has proved by a handshake that its key is at an endpoint. A node that is where its record says counts as live;
   * one that is not is to be checked there, if it may be there; one whose record names no such place is answered, and named to
   * nobody.
   */
  met(record: NodeRecord, { endpoint }: Pick<Remote, 'endpoint'>): void {
    const { agenda, table } = this.#context;
    const here = this.#here(record, endpoint);
    if (here === undefined) {
      const elsewhere = nodeOfRecord(record, (node) => this.#mayBe(node, endpoint.ip));
      if (elsewhere === undefined) this.#nowhere(record);
      else table.addElsewhere(elsewhere, endpoint.ip, agenda.now);
      return;
    }
    table.addInbound(here, agenda.now);
    table.proved(here.id, endpoint);
  }

  /** A node has sent its record, from where it was asked. */
  received(node: KadNode, record: NodeRecord): void {
    const { agenda, table } = this.#context;
    const found = nodeOfRecordAt(record, node, (place) => this.#mayBe(place, node.ip));
    if (found === undefined) this.#nowhere(record);
    else if (!table.has(node.id)) return;
    else if (sameEndpoint(found, node)) table.addFound(found, agenda.now);
    else table.addElsewhere(found, node.ip, agenda.now);
  }

  /**
   * Whether a node at `from` is believed that it is at another place: as if somebody else had named it. Else whoever shakes hands
   * would have packets sent to any address and port, of a LAN and of this machine too.
   */
  #mayBe(place: KadNode, from: string): boolean {
    return this.#context.reaches(place.ip) && mayName(from, place);
  }

  /**
   * Somebody says in a session that its record has that number. One that we have not is asked for, of nodes too that had no place
   * in the table: as long as they did not know where they are, or were elsewhere. A node that was taken out of the table, since
   * nobody answered there, is taken in again: a handshake would only come when the session is over.
   * @param sender with the record of the session
   */
  told({ remote, record, isNew }: Teller, seq: bigint): void {
    const { id, endpoint } = remote;
    const entry = this.#context.table.get(id);
    const known = newestRecord(entry?.record, record);
    const publicKey = entry?.publicKey ?? record?.publicKey;
    if (seq <= (known?.seq ?? -1n)) {
      // Whoever has just come by a handshake has been met.
      if (entry === undefined && record !== undefined && !isNew) this.#returned(remote, record);
      return;
    }
    const { ip, port: udpPort } = endpoint;
    if (publicKey === undefined || !this.#context.reaches(ip)) return;
    const node = kadNode({ publicKey, ip, udpPort, tcpPort: 0, record: known });
    const met = (newer: NodeRecord | undefined): void => {
      if (newer !== undefined) this.met(newer, remote);
    };
    if (entry === undefined) this.#askStranger(node, met);
    else this.#ask(node, this.#renewals, met);
  }

  /** Asks for a newer record. */
  renew(node: KadNode): void {
    this.#ask(node, this.#renewals, () => undefined);
  }

  #askStranger(node: KadNode, done: Done<NodeRecord>): void {
    const origin = originOf({ ip: node.ip, port: node.udpPort });
    if (origin === undefined) return;
    const { sharer, part } = origin;
    if (!this.#strangersAsked.take(sharer, part)) return;
    const isAsked = this.#ask(node, this.#strangers, (record) => {
      this.#strangersAsked.give(sharer, part);
      done(record);
    });
    if (!isAsked) this.#strangersAsked.give(sharer, part);
  }

  /** A node is asked once in a while: it may say with each packet that there is one more. */
  #ask(node: KadNode, asked: Held, done: Done<NodeRecord>): boolean {
    const { agenda, room, ask } = this.#context;
    const key = toBareHex(node.id);
    const isHeld = [this.#renewals, this.#strangers].some((held) => held.has(key, agenda.now));
    if (room.isFull || isHeld) return false;
    asked.hold(key, agenda.now, RENEWAL_INTERVAL_MS);
    ask(node, done);
    return true;
  }

  /** It has yet to answer a check. */
  #returned({ id, endpoint }: Remote, record: NodeRecord): void {
    const { agenda, table } = this.#context;
    const key = toBareHex(id);
    if (this.#returns.has(key, agenda.now)) return;
    this.#returns.hold(key, agenda.now, RENEWAL_INTERVAL_MS);
    const here = this.#here(record, endpoint);
    if (here !== undefined) table.addInbound(here, agenda.now);
  }

  /** The node at an endpoint, if its record names that one. */
  #here(record: NodeRecord, endpoint: UdpEndpoint): KadNode | undefined {
    const { reaches } = this.#context;
    return nodeOfRecord(record, (node) => isAt(node, endpoint) && reaches(node.ip));
  }

  /** The node itself says that it cannot be reached, and is named to nobody by an older record. */
  #nowhere({ nodeId, seq }: NodeRecord): void {
    const { table } = this.#context;
    const entry = table.get(nodeId);
    if (entry !== undefined && seq > (entry.record?.seq ?? -1n)) table.left(nodeId);
  }
}
