import { invalidArgument } from '../../base/checks.ts';
import { keccak256 } from '../../crypto/index.ts';
import { ID_LENGTH, logDistance } from '../../kad/index.ts';

/** Bytes of a text that stands for a topic. */
const MAX_TEXT_LENGTH = 256;

/** A topic: its 32 bytes, or a text. */
export type TopicSource = string | Uint8Array;

/**
 * The 32 bytes of a topic, a copy of those that are given. discv5-theory.md ("Services and Service Identifiers") leaves it to
 * applications how they are made: here a text stands for the Keccak-256 of its UTF-8, whatever it says.
 * @param topic 32 bytes, or a text of 1 to 256 bytes
 * @throws PeerlaneError `invalid-argument`
 */
export function topicId(topic: TopicSource): Uint8Array {
  if (topic instanceof Uint8Array && topic.length === ID_LENGTH) return topic.slice();
  if (typeof topic !== 'string') throw invalidArgument('a topic is a text, or a Uint8Array of 32 bytes');
  const bytes = new TextEncoder().encode(topic);
  // Halves of characters would all be one topic.
  const isText = new TextDecoder().decode(bytes) === topic;
  if (isText && bytes.length >= 1 && bytes.length <= MAX_TEXT_LENGTH) return keccak256(bytes);
  throw invalidArgument(`the text of a topic has 1 to ${MAX_TEXT_LENGTH} bytes of UTF-8`);
}

/** The bucket of a node in the service table of a topic: 1..256. One whose id is the topic is in the nearest; no request can name a distance of 0. */
export function topicDistance(topic: Uint8Array, id: Uint8Array): number {
  return Math.max(1, logDistance(topic, id));
}
