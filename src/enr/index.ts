export { type Enode, enodeOfRecord, formatEnode, parseEnode } from './enode.ts';
export { ENTRY_KEYS, type Entries, type EntryKey, type RecordForkId } from './entries.ts';
export { compressPublicKey, isPublicKey, nodeIdOf } from './identity.ts';
export { formatIpv4, formatIpv6, parseIpv4, parseIpv6, unmapIpv4 } from './ip.ts';
export {
  decodeRecord,
  MAX_RECORD_SIZE,
  NodeRecord,
  parseRecord,
  type RecordContent,
  signRecord,
} from './record.ts';
