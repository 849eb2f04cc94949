/** What nodes do that counts for or against them: one table, for the server that keeps count and the protocols that tell. */
import { invalidArgument } from './checks.ts';
import { consequenceOf, type ErrorCode, type PeerlaneError } from './errors.ts';

/**
 * Points of a score that begins at 0. A good answer counts little, because whoever wants credit can make thousands; a breach
 * is no accident, and a few of them are enough for a ban.
 */
export const REPUTATION_EVENTS = {
  /** It answered a request with something. */
  'good-answer': 1,
  /** It answered a request with nothing: it does not have what others have. */
  'useless-answer': -1,
  /** It did not answer a request in time. */
  timeout: -5,
  /** It was too slow, or left without a word: the network's fault as often as its own. */
  minor: -4,
  /** It broke the rules of a protocol. */
  breach: -40,
  /** It gave headers or bodies that are not those of the chain that it names. */
  'bad-block': -60,
  /** What a handler finds so bad that it wants no more of the node at all. */
  hostile: -200,
} as const;

export type ReputationEventKind = keyof typeof REPUTATION_EVENTS;

/** Whether such an event is bad enough for a ban to follow from it: what may be the network's fault alone is not. */
export function isMajor(kind: ReputationEventKind): boolean {
  return REPUTATION_EVENTS[kind] <= REPUTATION_EVENTS.breach;
}

const BAD_BLOCK: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['header-invalid', 'body-mismatch']);

/** What an error that ended a connection counts for; undefined when the peer is not to blame. */
export function eventOf(error: PeerlaneError): ReputationEventKind | undefined {
  if (BAD_BLOCK.has(error.code)) return 'bad-block';
  const { penalty, ban } = consequenceOf(error);
  if (ban === true) return 'hostile';
  if (penalty === 'major') return 'breach';
  return penalty === 'minor' ? 'minor' : undefined;
}

/** @throws PeerlaneError `invalid-argument` */
export function checkReputationEvent(kind: unknown): asserts kind is ReputationEventKind {
  if (typeof kind === 'string' && Object.hasOwn(REPUTATION_EVENTS, kind)) return;
  throw invalidArgument(`there is no such event; there are ${Object.keys(REPUTATION_EVENTS).join(', ')}`);
}
