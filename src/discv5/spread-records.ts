import { encodeMessage, type Nodes, type TopicNodes } from './messages.ts';
import { MAX_PLAINTEXT_SIZE } from './packet.ts';
import type { Remote } from './remote.ts';
import type { Wire } from './wire.ts';

/** What a message of records has beside them: the type, and at most 21 bytes of RLP: two lists, the request's id and the total. */
const ROOM = MAX_PLAINTEXT_SIZE - 1 - 21;

/**
 * Records in groups that fit into a packet each, in order; one group without any where there are none. Those that do not fit into
 * `maxGroups` are left out: nobody would take them.
 */
export function spreadRecords(records: readonly Uint8Array[], maxGroups: number): Uint8Array[][] {
  const groups: Uint8Array[][] = [];
  let [group, size]: [Uint8Array[], number] = [[], 0];
  for (const record of records) {
    if (size + record.length > ROOM) {
      groups.push(group);
      [group, size] = [[], 0];
    }
    group.push(record);
    size += record.length;
  }
  return [...groups, group].slice(0, maxGroups);
}

/** Sends a message of each group. @param total messages of the whole answer */
export function writeRecords(
  wire: Pick<Wire, 'write'>,
  remote: Remote,
  message: Omit<Nodes, 'records'> | Omit<TopicNodes, 'records'>,
  groups: readonly (readonly Uint8Array[])[],
): void {
  for (const records of groups) wire.write(remote, encodeMessage({ ...message, records }));
}
