/** The entry by which a node says that it takes part in topic discovery (enr-entries/ng.md). */
import { checkInteger } from '../base/checks.ts';
import { checkRecord, type NodeRecord } from './record.ts';
import type { EntryChanges } from './sign.ts';

/**
 * The entry has two names: discv5-theory.md ("ENR Capability") says `ng`, enr-entries/ng.md `topic-discovery`.
 * Both are published and either is accepted until the texts agree.
 */
export const TOPIC_DISCOVERY_KEYS = ['ng', 'topic-discovery'] as const;

/** The version of the protocol that the texts describe. */
export const TOPIC_DISCOVERY_VERSION = 1;

/**
 * The changes that publish `version` under both names, or take it back: `undefined`.
 * @throws PeerlaneError `invalid-argument` for what is no number of 32 bits
 */
export function topicDiscoveryEntries(version: number | undefined): EntryChanges {
  if (version !== undefined) checkInteger('version', version, 0, 2 ** 32 - 1);
  const [theory, entry] = TOPIC_DISCOVERY_KEYS;
  return { [theory]: version, [entry]: version };
}

/** Whether the node takes part with our version. As enr-entries/ng.md wants, another one is like none. @throws PeerlaneError `invalid-argument` */
export function hasTopicDiscovery(record: NodeRecord): boolean {
  checkRecord(record);
  return TOPIC_DISCOVERY_KEYS.some((key) => record.get(key) === TOPIC_DISCOVERY_VERSION);
}
