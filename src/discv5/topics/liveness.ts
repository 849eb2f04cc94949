import type { KadNode } from '../../kad/index.ts';
import { pingQuestion } from '../questions.ts';
import type { TopicFailure } from './exclusions.ts';
import type { TopicContext } from './topic-context.ts';

/**
 * Asks a node that has left a question about topics unanswered for a Pong. What it has done is `silent` if it says nothing to that
 * either: it is gone, or our own network is, and whatever it says later ends that. It is also that while no more requests may be begun.
 */
export function askWhetherLive(
  context: TopicContext,
  node: KadNode,
  done: (failure: TopicFailure) => void,
): void {
  const { ask, isFull, localRecord } = context;
  if (isFull) {
    done('silent');
    return;
  }
  const question = pingQuestion(
    () => localRecord().seq,
    (pong) => done(pong === undefined ? 'silent' : 'useless'),
  );
  ask(node, question);
}
