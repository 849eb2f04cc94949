import type { KadNode, Places } from '../kad/index.ts';
import type { Message } from './messages.ts';
import type { Question, RequestFailure } from './requests.ts';

/** Puts a question to a node, and once more at the other place of its record if there was no answer. */
export function askAnywhere(
  places: Places,
  node: KadNode,
  question: Question,
  put: (place: KadNode, question: Question) => void,
): void {
  const ask = (
    place: KadNode,
    done: (isAnswered: true | undefined, failure?: RequestFailure) => void,
  ): void => {
    let isAnswered: true | undefined;
    put(place, {
      isRepeatable: question.isRepeatable,
      message: (requestId) => question.message(requestId),
      take(answer: Message, rtt) {
        const taken = question.take(answer, rtt);
        if (taken !== 'refused') isAnswered = true;
        return taken;
      },
      ended: (failure) => done(isAnswered, failure),
    });
  };
  places.ask<true, RequestFailure>(node, ask, (_, failure) => question.ended(failure));
}
