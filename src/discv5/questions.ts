/** What nodes are asked, and what counts as an answer. */
import { equalBytes, toBareHex } from '../base/bytes.ts';
import { PeerlaneError } from '../base/errors.ts';
import type { NodeRecord } from '../enr/index.ts';
import { BUCKET_SIZE, type KadNode, logDistance, mayName, nodeOfRecordAt } from '../kad/index.ts';
import type { RecordReader } from './known-records.ts';
import type { Message } from './messages.ts';
import type { Question, RequestFailure, Taken } from './requests.ts';

/** Messages of one answer that are taken, whatever its `total` says: as other clients do. */
export const MAX_ANSWER_MESSAGES = 5;
/** Records of one answer that are taken. */
export const MAX_ANSWER_RECORDS = BUCKET_SIZE;
/** After so many records that are none nothing more of an answer is looked at: to verify them costs, and honest nodes do so. */
export const MAX_INVALID_RECORDS = 3;

/** The result, or `undefined`: no answer in time, or what `failure` says. */
export type Done<T> = (result: T | undefined, failure?: RequestFailure) => void;

/** The answer to a Ping. */
export interface Discv5Ping {
  /** Sequence number of the node's record. */
  readonly enrSeq: bigint;
  /** The endpoint at which the node sees us; `undefined` for what is no address. */
  readonly seenAs: { readonly ip: string | undefined; readonly udpPort: number };
  /** Milliseconds from the first packet that may be answered to the Pong: more where that got lost, and it was sent again. */
  readonly rtt: number;
}

export function pingQuestion(enrSeq: () => bigint, done: Done<Discv5Ping>): Question {
  let result: Discv5Ping | undefined;
  return {
    isRepeatable: true,
    message: (requestId) => ({ kind: 'ping', requestId, enrSeq: enrSeq() }),
    take(answer, rtt) {
      if (answer.kind !== 'pong') return 'refused';
      result = { enrSeq: answer.enrSeq, seenAs: { ip: answer.ip, udpPort: answer.port }, rtt };
      return 'done';
    },
    ended: (failure) => done(result, failure),
  };
}

export function talkQuestion(protocol: Uint8Array, request: Uint8Array, done: Done<Uint8Array>): Question {
  let result: Uint8Array | undefined;
  return {
    // What its handler does is its own affair.
    isRepeatable: false,
    message: (requestId) => ({ kind: 'talkRequest', requestId, protocol, request }),
    take(answer) {
      if (answer.kind !== 'talkResponse') return 'refused';
      result = answer.response;
      return 'done';
    },
    ended: (failure) => done(result, failure),
  };
}

/** Whose records are taken of an answer. */
export interface Asked {
  readonly node: KadNode;
  readonly known: RecordReader;
  /** Whether there is a way to the address. */
  reaches(ip: string): boolean;
  /** A node where it is known to be, if it is. */
  placed?(id: Uint8Array): KadNode | undefined;
}

/** Counts the messages of an answer, and collects the records of which something holds. */
export class Answer {
  readonly records: NodeRecord[] = [];
  readonly #known: RecordReader;
  readonly #accepts: (record: NodeRecord) => boolean;
  readonly #seen = new Set<string>();
  readonly #maxMessages: number;
  #invalid = 0;
  #received = 0;
  #total = 0;

  constructor(
    known: RecordReader,
    accepts: (record: NodeRecord) => boolean,
    maxMessages: number = MAX_ANSWER_MESSAGES,
  ) {
    this.#known = known;
    this.#accepts = accepts;
    this.#maxMessages = maxMessages;
  }

  get isComplete(): boolean {
    return this.#received > 0 && this.#received >= Math.min(this.#total, this.#maxMessages);
  }

  get isBegun(): boolean {
    return this.#received > 0;
  }

  /** The first message says how many there are. */
  count(total: number): void {
    if (this.#received++ === 0) this.#total = total;
  }

  /** Of records that are none, or none that was asked for, nothing is taken; the others are as good as they were. */
  add(encoded: readonly Uint8Array[]): void {
    for (const bytes of encoded) {
      if (this.records.length >= MAX_ANSWER_RECORDS || this.#invalid > MAX_INVALID_RECORDS) return;
      const record = this.#known.read(bytes);
      if (record === undefined) this.#invalid++;
      if (record === undefined || !this.#accepts(record)) continue;
      const id = toBareHex(record.nodeId);
      if (this.#seen.has(id)) continue;
      this.#seen.add(id);
      this.records.push(record);
    }
  }
}

/** The nodes of records that the asked one may name, where they are reached. */
export function nodesOf(
  records: readonly NodeRecord[],
  { node, reaches, placed = () => undefined }: Pick<Asked, 'node' | 'reaches' | 'placed'>,
): KadNode[] {
  return records.flatMap((record) => {
    const found = nodeOfRecordAt(
      record,
      placed(record.nodeId),
      (place) => reaches(place.ip) && mayName(node.ip, place),
    );
    return found === undefined ? [] : [found];
  });
}

/** Asks for nodes at distances from the asked one, of which the records hold. */
export function findNodeQuestion(
  asked: Asked,
  distances: readonly number[],
  done: Done<NodeRecord[]>,
): Question {
  const { id } = asked.node;
  const answer = new Answer(asked.known, (record) => distances.includes(logDistance(id, record.nodeId)));
  return {
    isRepeatable: true,
    message: (requestId) => ({ kind: 'findNode', requestId, distances }),
    take: (message) => collect(answer, message),
    ended: (failure) => done(answer.isBegun ? answer.records : undefined, failure),
  };
}

function collect(answer: Answer, message: Message): Taken {
  if (message.kind !== 'nodes') return 'refused';
  answer.count(message.total);
  answer.add(message.records);
  return answer.isComplete ? 'done' : 'more';
}

/** Asks a node for its own record. */
export function recordQuestion(asked: Asked, done: Done<NodeRecord>): Question {
  return findNodeQuestion(asked, [0], (records, failure) => {
    if (records === undefined) return done(undefined, failure);
    const own = records.find((record) => equalBytes(record.nodeId, asked.node.id));
    if (own !== undefined) return done(own);
    done(
      undefined,
      new PeerlaneError('invalid-record', 'the node has answered without a record of its own that is valid'),
    );
  });
}
