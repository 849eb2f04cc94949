/** Requests about topics, and what their answers say. */
import type { Message, RegTopic, TopicQuery } from '../../../src/discv5/messages.ts';
import type { QueryToSend, RegistrationToSend, TopicNode } from '../../../src/discv5/topics/index.ts';
import type { Answer } from '../../../src/discv5/topics/registration.ts';

const REQUEST_ID = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8);

export function regTopic(
  { topic, ticket, distances }: Omit<RegistrationToSend, 'node'>,
  { record }: TopicNode,
): RegTopic {
  return { kind: 'regTopic', requestId: REQUEST_ID, topic, record: record.encoded, ticket, distances };
}

export function topicQuery({ topic, distances }: Omit<QueryToSend, 'node'>): TopicQuery {
  return { kind: 'topicQuery', requestId: REQUEST_ID, topic, distances };
}

/** What a registrar has said of a registration; `undefined` if that was lost. */
export function confirmationOf(messages: readonly Message[]): Answer | undefined {
  for (const message of messages) {
    if (message.kind !== 'regConfirmation') continue;
    const { ticket, waitMs } = message;
    return ticket.length === 0 ? { kind: 'admitted', lifetimeMs: waitMs } : { kind: 'wait', ticket, waitMs };
  }
  return undefined;
}

export function recordsOf(messages: readonly Message[], kind: 'nodes' | 'topicNodes'): Uint8Array[] {
  return messages.flatMap((message) => (message.kind === kind ? message.records : []));
}
