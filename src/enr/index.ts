/** Ethereum Node Records (EIP-778) and enode URLs. */
export { type Enode, enodeOfRecord, formatEnode, parseEnode } from './enode.ts';
export type { Entries, EntryKey, RecordForkId } from './entries.ts';
export { compressPublicKey, isPublicKey, nodeIdOf } from './identity.ts';
export {
  decodeRecord,
  MAX_RECORD_SIZE,
  NodeRecord,
  parseRecord,
  type RecordContent,
  signRecord,
} from './record.ts';
