/** REGTOPIC and TOPICQUERY (discv5-wire.md): what nodes are asked, and what counts as an answer. */
import type { NodeRecord } from '../../enr/index.ts';
import type { KadNode } from '../../kad/index.ts';
import type { Message } from '../messages.ts';
import { Answer as Answers, type Asked, type Done, MAX_ANSWER_MESSAGES, nodesOf } from '../questions.ts';
import type { Question, Taken } from '../requests.ts';
import type { RegistrationToSend } from './advertiser.ts';
import type { Answer } from './registration.ts';
import type { QueryToSend } from './search.ts';
import { topicDistance } from './topic-id.ts';

/** Messages of one answer: those of records of either kind, or one REGCONFIRMATION and those of NODES. */
export const MAX_CONFIRMATION_MESSAGES: number = 1 + MAX_ANSWER_MESSAGES;
export const MAX_QUERY_MESSAGES: number = 2 * MAX_ANSWER_MESSAGES;

/** The whole answer to a REGTOPIC. */
export interface Confirmation {
  readonly answer: Answer;
  readonly auxiliary: readonly KadNode[];
}

/** The whole answer to a TOPICQUERY. */
export interface Found {
  readonly advertisers: readonly KadNode[];
  readonly auxiliary: readonly KadNode[];
}

/** Nodes of an answer, as far as they are at a distance from the topic that was asked for. */
class Auxiliary {
  readonly #asked: Asked;
  readonly #answers: Answers;

  constructor(asked: Asked, topic: Uint8Array, distances: readonly number[], maxMessages: number) {
    const isWanted = (record: NodeRecord) => distances.includes(topicDistance(topic, record.nodeId));
    this.#asked = asked;
    this.#answers = new Answers(asked.known, isWanted, maxMessages);
  }

  /** Messages of the answer, whatever their kind. */
  count(total: number): void {
    this.#answers.count(total);
  }

  get isBegun(): boolean {
    return this.#answers.isBegun;
  }

  get isComplete(): boolean {
    return this.#answers.isComplete;
  }

  add(records: readonly Uint8Array[]): void {
    this.#answers.add(records);
  }

  get nodes(): KadNode[] {
    return nodesOf(this.#answers.records, this.#asked);
  }
}

/** Asks a registrar to keep our advertisement. There is a result if it has said what becomes of that. */
export function registrationQuestion(
  asked: Asked,
  { topic, ticket, distances }: Omit<RegistrationToSend, 'node'>,
  record: () => NodeRecord,
  done: Done<Confirmation>,
): Question {
  const auxiliary = new Auxiliary(asked, topic, distances, MAX_CONFIRMATION_MESSAGES);
  let answer: Answer | undefined;
  const take = (message: Message): Taken => {
    if (message.kind === 'regConfirmation') {
      // There is one: another would have us wait for something else.
      if (answer !== undefined) return 'refused';
      answer = answerOf(message.ticket, message.waitMs);
    } else if (message.kind === 'nodes') auxiliary.add(message.records);
    else return 'refused';
    auxiliary.count(message.total);
    return auxiliary.isComplete ? 'done' : 'more';
  };
  return {
    // A registrar that has let us in says so again, and another ticket is as good as the first.
    isRepeatable: true,
    message: (requestId) => ({
      ...{ kind: 'regTopic', requestId, topic, record: record().encoded, ticket, distances },
    }),
    take,
    ended: (failure) =>
      done(answer === undefined ? undefined : { answer, auxiliary: auxiliary.nodes }, failure),
  };
}

function answerOf(ticket: Uint8Array, waitMs: number): Answer {
  if (ticket.length === 0) return { kind: 'admitted', lifetimeMs: waitMs };
  return { kind: 'wait', ticket: ticket.slice(), waitMs };
}

/** Asks a registrar for advertisers. What has come until the last message is late counts. */
export function queryQuestion(
  asked: Asked,
  { topic, distances }: Omit<QueryToSend, 'node'>,
  done: Done<Found>,
): Question {
  const auxiliary = new Auxiliary(asked, topic, distances, MAX_QUERY_MESSAGES);
  // Whoever advertises may be anybody.
  const advertisers = new Answers(asked.known, () => true, MAX_QUERY_MESSAGES);
  const take = (message: Message): Taken => {
    if (message.kind === 'topicNodes') advertisers.add(message.records);
    else if (message.kind === 'nodes') auxiliary.add(message.records);
    else return 'refused';
    auxiliary.count(message.total);
    return auxiliary.isComplete ? 'done' : 'more';
  };
  const found = (): Found => ({
    advertisers: nodesOf(advertisers.records, asked),
    auxiliary: auxiliary.nodes,
  });
  return {
    isRepeatable: true,
    message: (requestId) => ({ kind: 'topicQuery', requestId, topic, distances }),
    take,
    ended: (failure) => done(auxiliary.isBegun ? found() : undefined, failure),
  };
}
