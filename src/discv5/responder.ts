/** Answers to the requests of others. Whoever has a session has proved its endpoint. */
import { EMPTY, equalBytes } from '../base/bytes.ts';
import type { NodeRecord } from '../enr/index.ts';
import { BUCKET_SIZE, type KadNode, mayRelay, type Table, type UdpEndpoint } from '../kad/index.ts';
import { MAX_DISTANCE } from './distances.ts';
import { encodeMessage, type FindNode, type Ping, type TalkRequest } from './messages.ts';
import { MAX_PLAINTEXT_SIZE } from './packet.ts';
import { MAX_ANSWER_MESSAGES } from './questions.ts';
import type { Remote } from './remote.ts';
import { spreadRecords, writeRecords } from './spread-records.ts';
import type { Wire } from './wire.ts';

/** Records of an answer (discv5-wire.md, "FINDNODE Request"). */
const MAX_RECORDS = BUCKET_SIZE;
/** Distances of a question that are looked at: no more are of use, and there are only so many. */
const MAX_DISTANCES = MAX_DISTANCE + 1;

/** Type, and RLP of at most 15 bytes: a list, the request's id, the response. */
export const MAX_TALK_RESPONSE = MAX_PLAINTEXT_SIZE - 1 - 15;

/** Somebody talks to us in a protocol of its own (discv5-wire.md, "TALKREQ Request"). */
export interface TalkCall {
  readonly id: Uint8Array;
  readonly endpoint: UdpEndpoint;
  /** Of the node, if it is known. */
  readonly record: NodeRecord | undefined;
  /** A view of the packet, as is `request`. */
  readonly protocol: Uint8Array;
  readonly request: Uint8Array;
  /** Answers, once; empty: the protocol is not known. It has at most `MAX_TALK_RESPONSE` bytes. */
  respond(response: Uint8Array): void;
  /** Instead of an answer: it is dropped, since there is no place for it, and counted. */
  drop(): void;
}

export interface ResponderContext {
  readonly wire: Wire;
  readonly table: Table;
  localRecord(): NodeRecord;
  /** Whether somebody has taken the call: else it is answered as one of an unknown protocol. */
  talk(call: TalkCall): boolean;
  /** A call that was taken has been dropped. */
  talkDropped(): void;
}

export class Responder {
  readonly #context: ResponderContext;

  constructor(context: ResponderContext) {
    this.#context = context;
  }

  ping(remote: Remote, { requestId }: Ping): void {
    const { wire, localRecord } = this.#context;
    const { ip, port } = remote.endpoint;
    wire.write(remote, encodeMessage({ kind: 'pong', requestId, enrSeq: localRecord().seq, ip, port }));
  }

  findNode(remote: Remote, { requestId, distances }: FindNode): void {
    const groups = spreadRecords(this.#records(remote, distances), MAX_ANSWER_MESSAGES);
    writeRecords(this.#context.wire, remote, { kind: 'nodes', requestId, total: groups.length }, groups);
  }

  /** Of each distance in the order in which they were asked for. */
  #records({ id, endpoint }: Remote, distances: readonly number[]): Uint8Array[] {
    const { table, localRecord } = this.#context;
    const records: Uint8Array[] = [];
    // Whoever asks is no answer.
    const isGood = (node: KadNode) => mayRelay(endpoint.ip, node.ip) && !equalBytes(node.id, id);
    for (const distance of new Set(distances.slice(0, MAX_DISTANCES))) {
      if (records.length >= MAX_RECORDS) break;
      if (distance === 0) records.push(localRecord().encoded);
      else if (distance <= MAX_DISTANCE) {
        const live = table.liveAt(distance).filter(isGood);
        records.push(...live.flatMap(({ record }) => (record === undefined ? [] : [record.encoded])));
      }
    }
    return records.slice(0, MAX_RECORDS);
  }

  talk(remote: Remote, record: NodeRecord | undefined, { requestId, protocol, request }: TalkRequest): void {
    const { wire, talk, talkDropped } = this.#context;
    let isOver = false;
    const respond = (response: Uint8Array): void => {
      if (isOver) return;
      isOver = true;
      wire.write(remote, encodeMessage({ kind: 'talkResponse', requestId, response }));
    };
    const drop = (): void => {
      if (isOver) return;
      isOver = true;
      talkDropped();
    };
    const { id, endpoint } = remote;
    if (!talk({ id, endpoint, record, protocol, request, respond, drop })) respond(EMPTY);
  }
}
