/** What nodes say of themselves by their records, which the table follows. */
import type { Agenda } from '../base/agenda.ts';
import { toBareHex } from '../base/bytes.ts';
import { Held } from '../base/recent.ts';
import type { NodeRecord } from '../enr/index.ts';
import {
  isAt,
  type KadNode,
  nodeOfRecord,
  nodeOfRecordAt,
  type Origin,
  type RequestRoom,
  type Table,
} from '../kad/index.ts';
import type { Remote } from './remote.ts';

/** A node is asked for a newer record once in this time, and of so many it is remembered that they were: more than a table has. */
const RENEWAL_INTERVAL_MS = 10_000;
const MAX_RENEWALS = 1_024;

export interface ShownRecordsContext {
  readonly agenda: Agenda;
  readonly table: Table;
  /** Whether there is a way to the address. */
  reaches(ip: string): boolean;
  readonly room: Pick<RequestRoom, 'isFull'>;
  /** Asks a node for its record. */
  ask(node: KadNode): void;
}

export class ShownRecords {
  readonly #context: ShownRecordsContext;
  readonly #renewals = new Held(MAX_RENEWALS);

  constructor(context: ShownRecordsContext) {
    this.#context = context;
  }

  /**
   * Somebody has proved by a handshake that its key is at an endpoint. A node that is where its record says counts as live;
   * one that is not is to be checked there; one whose record names no place is answered, and named to nobody.
   */
  met(record: NodeRecord, { endpoint }: Origin): void {
    const { agenda, table, reaches } = this.#context;
    const here = nodeOfRecord(record, (node) => isAt(node, endpoint) && reaches(node.ip));
    if (here === undefined) {
      const elsewhere = nodeOfRecord(record, (node) => reaches(node.ip));
      if (elsewhere === undefined) this.#nowhere(record);
      else table.addFound(elsewhere, agenda.now);
      return;
    }
    table.addInbound(here, agenda.now);
    table.proved(here.id, endpoint);
  }

  /** A node has sent its record, from where it was asked. */
  received(node: KadNode, record: NodeRecord): void {
    const { agenda, table, reaches } = this.#context;
    const found = nodeOfRecordAt(record, node, ({ ip }) => reaches(ip));
    if (found === undefined) this.#nowhere(record);
    else if (table.has(node.id)) table.addFound(found, agenda.now);
  }

  /** A node says that it has a record of that number; one of the table is asked for it. */
  told({ id, endpoint }: Remote, seq: bigint): void {
    const entry = this.#context.table.get(id);
    if (entry === undefined || seq <= (entry.record?.seq ?? -1n)) return;
    if (isAt(entry, endpoint)) this.renew(entry);
  }

  /** Asks for a newer record, of a node once in a while: it may say with each packet that there is one more. */
  renew(node: KadNode): void {
    const { agenda, room, ask } = this.#context;
    const key = toBareHex(node.id);
    if (room.isFull || this.#renewals.has(key, agenda.now)) return;
    this.#renewals.hold(key, agenda.now, RENEWAL_INTERVAL_MS);
    ask(node);
  }

  /** The node itself says that it cannot be reached, and is named to nobody by an older record. */
  #nowhere({ nodeId, seq }: NodeRecord): void {
    const { table } = this.#context;
    const entry = table.get(nodeId);
    if (entry !== undefined && seq > (entry.record?.seq ?? -1n)) table.left(nodeId);
  }
}
