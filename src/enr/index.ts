/** Ethereum Node Records (EIP-778) and enode URLs. */
export {
  type Enode,
  endpointsOfRecord,
  enodeOfRecord,
  formatEnode,
  parseEnode,
  type RecordEndpoint,
} from './enode.ts';
export type { Entries, EntryKey, RecordForkId } from './entries.ts';
export { compressPublicKey, isPublicKey, nodeIdOf } from './identity.ts';
export { type InspectedEntry, type Inspection, inspectRecord } from './inspect.ts';
export { firstSeq, LocalRecord } from './local-record.ts';
export { decodeRecord, MAX_RECORD_SIZE, NodeRecord, parseRecord } from './record.ts';
export { type EntryChanges, type OtherChanges, type RecordContent, signRecord } from './sign.ts';
export {
  hasTopicDiscovery,
  TOPIC_DISCOVERY_KEYS,
  TOPIC_DISCOVERY_VERSION,
  topicDiscoveryEntries,
} from './topic-discovery.ts';
