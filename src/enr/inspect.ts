/** What can be said of a record, or of what should be one: for people who look for what is wrong. */
import { EMPTY } from '../base/bytes.ts';
import { PeerlaneError, toPeerlaneError } from '../base/errors.ts';
import { bigUint, decode, list, type RlpItem, raw } from '../rlp/index.ts';
import { endpointsOfRecord } from './enode.ts';
import { decodeEntry, type Entries, type EntryKey, isEntryKey } from './entries.ts';
import { keyText, MAX_RECORD_SIZE, type NodeRecord, parseRecord } from './record.ts';

export interface InspectedEntry {
  /** A character is one byte. */
  readonly key: string;
  /** The RLP of the value. */
  readonly encoded: Uint8Array;
  /** The value if the key is known and the value of its type. */
  readonly value?: Entries[EntryKey];
  /** What is wrong with the value of a known key; the record is valid all the same. */
  readonly problem?: string;
}

export interface Inspection {
  /** The record if it is valid. */
  readonly record?: NodeRecord;
  /** `invalid-record` if it is not: the first thing that is wrong. */
  readonly error?: PeerlaneError;
  /** Bytes of its encoding; 0 if it cannot be read. */
  readonly size: number;
  /** As far as it can be read. */
  readonly seq?: bigint;
  /** As far as they can be read, in the order in which they stand there. */
  readonly entries: readonly InspectedEntry[];
  /** What is allowed and yet looks like a mistake. */
  readonly notes: readonly string[];
}

const items = list(raw, { max: MAX_RECORD_SIZE });
const sequence = bigUint(64);

/** Looks at the text of a record, `enr:...`. Of a text that is none it says so: nothing is thrown. */
export function inspectRecord(text: string): Inspection {
  try {
    const record = parseRecord(text);
    const entries = [...record.pairs].map(([key, encoded]) => inspectedEntry(key, encoded));
    return { record, size: record.encoded.length, seq: record.seq, entries, notes: notesOf(record) };
  } catch (error) {
    return { error: toPeerlaneError(error, 'invalid-record'), ...remainsOf(text) };
  }
}

function inspectedEntry(key: string, encoded: Uint8Array): InspectedEntry {
  if (!isEntryKey(key)) return { key, encoded };
  try {
    return { key, encoded, value: decodeEntry(key, encoded) };
  } catch (error) {
    return { key, encoded, problem: toPeerlaneError(error).message };
  }
}

/** What can be read of a record that is not valid. */
function remainsOf(text: string): Omit<Inspection, 'record' | 'error'> {
  const encoded = looselyRead(text);
  const size = encoded.length;
  const [, seqItem, ...rest] = attempt(() => [...decode(items, encoded)]) ?? [];
  const seq = seqItem && attempt(() => decode(sequence, seqItem.encoded));
  const entries: InspectedEntry[] = [];
  for (let i = 0; i + 1 < rest.length; i += 2) entries.push(...remainsOfPair(rest[i], rest[i + 1]));
  return { size, ...(seq === undefined ? {} : { seq }), entries, notes: [] };
}

/** Beyond this a text is not looked into. */
const MAX_LOOSE_LENGTH = 1024;

/** The bytes of a text that need not be in its one right form: padded, for example, or of the other alphabet. */
function looselyRead(text: string): Uint8Array {
  const isRead = typeof text === 'string' && text.length <= MAX_LOOSE_LENGTH && /^\s*enr:/i.test(text);
  return isRead ? new Uint8Array(Buffer.from(text.slice(text.indexOf(':') + 1), 'base64url')) : EMPTY;
}

function remainsOfPair(key: RlpItem | undefined, value: RlpItem | undefined): InspectedEntry[] {
  if (key === undefined || value === undefined || key.isList) return [];
  return [inspectedEntry(keyText(key.payload), value.encoded)];
}

function attempt<T>(run: () => T): T | undefined {
  try {
    return run();
  } catch (error) {
    if (error instanceof PeerlaneError) return undefined;
    throw error;
  }
}

const PORTS = ['tcp', 'tcp6', 'udp', 'udp6'] as const;

function notesOf(record: NodeRecord): string[] {
  const notes = PORTS.filter((key) => record.get(key) === 0).map((key) => `${key} is 0, which is no port`);
  const hasAddress = record.get('ip') !== undefined || record.get('ip6') !== undefined;
  const hasPort = PORTS.some((key) => record.get(key) !== undefined);
  if (!hasAddress) notes.push('it names no address');
  else if (endpointsOfRecord(record).length === 0) notes.push('no node can be at the address that it names');
  else if (!hasPort) notes.push('it names no port');
  return notes;
}
