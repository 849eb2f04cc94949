/**
 * What a node database keeps of a node, and its form on the disk: the key is `node:` and the 32 bytes of the node id,
 * the value the RLP of `nodeCodec`. There, zero or an empty string stands for what is not known.
 */
import { equalBytes } from '../../base/bytes.ts';
import { CONSEQUENCES, type ErrorCode, PeerlaneError } from '../../base/errors.ts';
import { formatIpv4, formatIpv6, parseIpv4, parseIpv6 } from '../../base/ip.ts';
import { type Enode, MAX_RECORD_SIZE, nodeIdOf, type RecordForkId } from '../../enr/index.ts';
import {
  bigUint,
  bytes,
  type Decoded,
  decode,
  encode,
  list,
  mapped,
  raw,
  struct,
  text,
  uint,
} from '../../rlp/index.ts';
import type { NodeHistory } from './history.ts';

/** Characters of the name that a client gives itself; what is longer is cut. */
export const MAX_CLIENT_LENGTH = 128;
/** As many in UTF-8. */
const MAX_CLIENT_BYTES = 3 * MAX_CLIENT_LENGTH;
/** All fields at their longest take 948 bytes. */
const MAX_VALUE_LENGTH = 1024;

/** How the last attempt to become a peer of a node ended. */
export interface DialResult {
  /** Unix ms. */
  readonly at: number;
  /** Why it failed; undefined when it succeeded. */
  readonly error: ErrorCode | undefined;
}

/** What does not change with each packet. */
export interface NodeFacts {
  /** 64 bytes. */
  readonly publicKey: Uint8Array;
  /** Where it is; the host is an IP address. */
  readonly endpoint: Enode | undefined;
  /** RLP of its record; `decodeRecord` checks it, since a disk may err. */
  readonly record: Uint8Array | undefined;
  /** The sequence number of the record; 0 without one. */
  readonly seq: bigint;
  /** That of the record, unless another was told after it. */
  readonly forkId: RecordForkId | undefined;
  /** What its Hello said; untrusted text. */
  readonly client: string | undefined;
}

/** What is known of a node. Times are Unix ms; undefined: never. */
export interface StoredNode extends NodeFacts {
  /** 32 bytes. */
  readonly id: Uint8Array;
  readonly firstSeen: number;
  /** When it was last heard of, from itself or from others. */
  readonly lastSeen: number;
  /** When it last answered a ping. */
  readonly lastPong: number | undefined;
  /** When it last answered a ping or became a peer. */
  readonly lastAnswer: number | undefined;
  /** In a row, since its last answer. */
  readonly failures: number;
  readonly lastDial: DialResult | undefined;
}

const time = uint(53);
const sequence = bigUint(64);
const recordItems = list(raw, { min: 2, max: MAX_RECORD_SIZE });
const EMPTY = new Uint8Array(0);

const nodeCodec = struct({
  publicKey: bytes(64),
  /** 4 or 16 bytes. */
  ip: mapped(bytes({ max: 16 }), readIp, writeIp),
  tcpPort: uint(16),
  udpPort: uint(16),
  record: bytes({ max: MAX_RECORD_SIZE }),
  seq: sequence,
  /** 4 bytes. */
  forkHash: bytes({ max: 4 }),
  forkNext: bigUint(64),
  client: text(MAX_CLIENT_BYTES),
  history: struct({
    firstSeen: time,
    lastSeen: time,
    lastPong: time,
    lastAnswer: time,
    failures: uint(16),
    dialedAt: time,
    dialError: mapped(text(64), readErrorCode, (code: ErrorCode | '') => code),
  }),
});

function readIp(ip: Uint8Array): string | undefined {
  if (ip.length === 0) return undefined;
  if (ip.length === 4) return formatIpv4(ip);
  if (ip.length === 16) return formatIpv6(ip);
  throw new PeerlaneError('rlp-unexpected', `an IP address of ${ip.length} bytes`);
}

function writeIp(host: string | undefined): Uint8Array {
  const ip = host === undefined ? EMPTY : (parseIpv4(host) ?? parseIpv6(host));
  if (ip === undefined) throw new PeerlaneError('invalid-argument', 'the host is not an IP address');
  return ip;
}

/** A release that knows more codes may have written it. */
function readErrorCode(code: string): ErrorCode | '' {
  return code === '' || isErrorCode(code) ? code : 'internal';
}

export function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(CONSEQUENCES, code);
}

export interface NodeValue {
  readonly facts: NodeFacts;
  readonly history: NodeHistory;
}

export function encodeNode({ facts, history }: NodeValue): Uint8Array {
  const { publicKey, endpoint, record = EMPTY, seq, forkId, client = '' } = facts;
  return encode(nodeCodec, {
    publicKey,
    ip: endpoint?.host,
    tcpPort: endpoint?.tcpPort ?? 0,
    udpPort: endpoint?.udpPort ?? 0,
    record,
    seq,
    forkHash: forkId?.hash ?? EMPTY,
    forkNext: forkId?.next ?? 0n,
    client,
    history,
  });
}

/** What `encodeNode` has written; undefined for anything else. */
export function decodeNode(value: Uint8Array): NodeValue | undefined {
  try {
    return nodeValue(decode(nodeCodec, value, { maxLength: MAX_VALUE_LENGTH }));
  } catch (error) {
    if (error instanceof PeerlaneError) return undefined;
    throw error;
  }
}

function nodeValue(fields: Decoded<typeof nodeCodec>): NodeValue | undefined {
  const { publicKey, ip: host, tcpPort, udpPort, record, seq, forkHash, forkNext, client, history } = fields;
  if (forkHash.length !== 0 && forkHash.length !== 4) return undefined;
  // With a number that is too high no newer record would ever take the place of this one.
  if (seq !== (record.length === 0 ? 0n : seqOf(record))) return undefined;
  const facts: NodeFacts = {
    publicKey,
    endpoint: host === undefined ? undefined : { publicKey, host, tcpPort, udpPort },
    record: record.length === 0 ? undefined : record,
    seq,
    forkId: forkHash.length === 0 ? undefined : { hash: forkHash, next: forkNext },
    client: client === '' ? undefined : client,
  };
  return { facts, history: { ...history } };
}

/** The number in the RLP of a record, which is not verified. @throws PeerlaneError a code of `rlp` */
function seqOf(record: Uint8Array): bigint {
  const [, item] = decode(recordItems, record);
  return item === undefined ? 0n : decode(sequence, item.encoded);
}

/** The node of this id; undefined if what is kept under it belongs to another. */
export function storedNode(id: Uint8Array, facts: NodeFacts, history: NodeHistory): StoredNode | undefined {
  if (!equalBytes(nodeIdOf(facts.publicKey), id)) return undefined;
  const { firstSeen, lastSeen, lastPong, lastAnswer, failures, dialedAt, dialError } = history;
  const lastDial = { at: dialedAt, error: dialError === '' ? undefined : dialError };
  return {
    id,
    ...facts,
    firstSeen,
    lastSeen,
    lastPong: lastPong || undefined,
    lastAnswer: lastAnswer || undefined,
    failures,
    lastDial: dialedAt === 0 ? undefined : lastDial,
  };
}
