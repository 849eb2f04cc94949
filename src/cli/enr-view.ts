/** Records and enode URLs as they are shown. */
import { toHex } from '../base/bytes.ts';
import { isPeerlaneError, type PeerlaneError } from '../base/errors.ts';
import {
  type Enode,
  enodeOfRecord,
  formatEnode,
  type InspectedEntry,
  type Inspection,
  MAX_RECORD_SIZE,
  type NodeRecord,
  nodeIdOf,
} from '../enr/index.ts';
import { decode, list, type RlpItem, raw } from '../rlp/index.ts';
import { printable } from './format.ts';
import type { Fields, JsonValue } from './output.ts';

export interface View {
  readonly fields: Fields;
  /** Lines for people. */
  readonly text: string;
}

/** Characters of a text that is shown back when it is not a record. */
const SOURCE_LIMIT = 500;

/** A record with all its entries; of one that is not valid, what can be read, and why it is not. */
export function viewRecord(source: string, inspection: Inspection): View {
  const { record, error, size, seq, entries, notes } = inspection;
  const enode = record && enodeText(record);
  const shown = entries.map((entry) => ({ ...entry, shown: jsonOf(entry) }));
  const fields = {
    enr: record?.toString() ?? source.slice(0, SOURCE_LIMIT),
    valid: record !== undefined,
    problem: error?.message,
    nodeId: record && toHex(record.nodeId),
    publicKey: record && toHex(record.publicKey),
    seq: seq?.toString(),
    size,
    enode,
    entries: shown.map(({ key, encoded, problem, shown: value }) => ({
      key,
      value,
      raw: toHex(encoded),
      problem,
    })),
    notes,
  };
  const lines = [
    ['valid', error === undefined ? 'yes, signed by its key' : `no: ${printable(error.message)}`],
    ['node id', fields.nodeId],
    ['public key', fields.publicKey],
    ['seq', fields.seq],
    ['size', `${size} of ${MAX_RECORD_SIZE} bytes`],
    ['enode', enode],
    ...shown.map((entry) => [`  ${printable(entry.key, 24)}`, describe(entry, entry.shown)]),
    ...notes.map((note) => ['note', note]),
  ];
  return { fields, text: table(lines) };
}

export function viewEnode(enode: Enode): View {
  const { publicKey, host, tcpPort: tcp, udpPort: udp } = enode;
  const fields = {
    enode: formatEnode(enode),
    valid: true,
    nodeId: toHex(nodeIdOf(publicKey)),
    publicKey: toHex(publicKey),
    host,
    tcp,
    udp,
  };
  const { nodeId } = fields;
  const lines = [
    ['node id', nodeId],
    ['public key', fields.publicKey],
    ['host', host],
    ['tcp', tcp === 0 ? '0: it does not listen' : `${tcp}`],
    ['udp', udp === 0 ? '0: it takes no part in discovery' : `${udp}`],
    ['enode', fields.enode],
  ];
  return { fields, text: table(lines) };
}

export function viewWrongEnode(source: string, { message }: PeerlaneError): View {
  const enode = source.slice(0, SOURCE_LIMIT);
  return {
    fields: { enode, valid: false, problem: message },
    text: table([['valid', `no: ${printable(message)}`]]),
  };
}

function enodeText(record: NodeRecord): string | undefined {
  const enode = enodeOfRecord(record);
  return enode && formatEnode(enode);
}

function table(lines: readonly (readonly (string | undefined)[])[]): string {
  const given = lines.flatMap(([name = '', value]) => (value === undefined ? [] : [{ name, value }]));
  const width = Math.max(...given.map(({ name }) => name.length));
  return given.map(({ name, value }) => `${name.padEnd(width)}  ${value}`).join('\n');
}

/** The value of an entry for JSON: as its type has it, else the RLP in hexadecimal, lists as arrays. */
function jsonOf({ value, encoded }: InspectedEntry): JsonValue {
  if (value === undefined) return plain(encoded);
  if (value instanceof Uint8Array) return toHex(value);
  if (typeof value === 'object') return { hash: toHex(value.hash), next: value.next.toString() };
  return value;
}

const items = list(raw, { max: MAX_RECORD_SIZE });

function plain(encoded: Uint8Array): JsonValue {
  try {
    const item = decode(raw, encoded);
    return item.isList
      ? [...decode(items, encoded)].map((inner: RlpItem) => plain(inner.encoded))
      : toHex(item.payload);
  } catch (error) {
    // In a record that is not valid, there may be anything.
    if (isPeerlaneError(error)) return toHex(encoded);
    throw error;
  }
}

function describe({ key, value, problem }: InspectedEntry, shown: JsonValue): string {
  if (problem !== undefined) return `${brief(shown)}, which is wrong: ${printable(problem)}`;
  if (value === undefined) return brief(shown);
  if (key !== 'eth' || typeof value !== 'object' || value instanceof Uint8Array) return printable(`${shown}`);
  const next = value.next === 0n ? 'no next fork known' : `next fork ${value.next}`;
  return `fork hash ${toHex(value.hash)}, ${next}`;
}

/** A value without a type, with its text if it is one. */
function brief(shown: JsonValue): string {
  if (typeof shown !== 'string') return JSON.stringify(shown);
  const text = Buffer.from(shown.slice(2), 'hex').toString('latin1');
  return /^[\x20-\x7e]{2,}$/.test(text) ? `${shown} "${text}"` : shown;
}
