/**
 * The ten messages (discv5-wire.md, "Protocol Messages"): a type, and behind it an RLP list whose first element is the id of
 * the request. What more a list holds is ignored.
 */

import { MAX_RECORD_SIZE } from '../enr/index.ts';
import { addressBytes, addressText } from '../kad/index.ts';
import {
  bigUint,
  bytes,
  type Codec,
  decodePrefix,
  encodeBehind,
  list,
  type RlpItem,
  raw,
  struct,
  uint,
} from '../rlp/index.ts';

/** The longest id of a request, in bytes; there is no shortest. */
export const MAX_REQUEST_ID_LENGTH = 8;
/** Bytes of a topic. */
export const TOPIC_LENGTH = 32;
/** Records of a message that are looked at: more of the shortest ones do not fit into a packet. */
const MAX_RECORDS = 16;
/** The shortest record has a signature of 64 bytes, and more. */
const MIN_RECORD_SIZE = 64;

interface Identified {
  /** At most `MAX_REQUEST_ID_LENGTH` bytes, which an answer repeats. */
  readonly requestId: Uint8Array;
}

export interface Ping extends Identified {
  readonly kind: 'ping';
  /** Sequence number of the sender's record, here and below. */
  readonly enrSeq: bigint;
}

export interface Pong extends Identified {
  readonly kind: 'pong';
  readonly enrSeq: bigint;
  /** Where the Ping came from, in the form of `UdpEndpoint`; `undefined` for what is no address. */
  readonly ip: string | undefined;
  readonly port: number;
}

export interface FindNode extends Identified {
  readonly kind: 'findNode';
  /** From 0, which is the recipient itself, to 256; others name nobody. */
  readonly distances: readonly number[];
}

export interface Nodes extends Identified {
  readonly kind: 'nodes';
  /** How many messages answer the request in all, as the sender says, here and below. */
  readonly total: number;
  /** The RLP of records, which have not been verified, here and below. */
  readonly records: readonly Uint8Array[];
}

export interface TalkRequest extends Identified {
  readonly kind: 'talkRequest';
  /** The name of a protocol: any bytes. */
  readonly protocol: Uint8Array;
  readonly request: Uint8Array;
}

export interface TalkResponse extends Identified {
  readonly kind: 'talkResponse';
  /** Empty where the protocol is unknown. */
  readonly response: Uint8Array;
}

export interface RegTopic extends Identified {
  readonly kind: 'regTopic';
  /** 32 bytes. */
  readonly topic: Uint8Array;
  readonly record: Uint8Array;
  /** Empty for a first attempt. */
  readonly ticket: Uint8Array;
  /** From the topic, where the sender would know more nodes. */
  readonly distances: readonly number[];
}

export interface RegConfirmation extends Identified {
  readonly kind: 'regConfirmation';
  readonly total: number;
  /** Empty when the advertisement has been admitted. */
  readonly ticket: Uint8Array;
  /** How long to wait before the next attempt, or how long the advertisement stays: milliseconds. */
  readonly waitMs: number;
}

export interface TopicQuery extends Identified {
  readonly kind: 'topicQuery';
  readonly topic: Uint8Array;
  readonly distances: readonly number[];
}

export interface TopicNodes extends Identified {
  readonly kind: 'topicNodes';
  readonly total: number;
  readonly records: readonly Uint8Array[];
}

export type Message =
  | Ping
  | Pong
  | FindNode
  | Nodes
  | TalkRequest
  | TalkResponse
  | RegTopic
  | RegConfirmation
  | TopicQuery
  | TopicNodes;

export type Discv5MessageKind =
  | 'ping'
  | 'pong'
  | 'findNode'
  | 'nodes'
  | 'talkRequest'
  | 'talkResponse'
  | 'regTopic'
  | 'regConfirmation'
  | 'topicQuery'
  | 'topicNodes';

/** `message-type` of each. */
export const MESSAGE_TYPE = {
  ping: 0x01,
  pong: 0x02,
  findNode: 0x03,
  nodes: 0x04,
  talkRequest: 0x05,
  talkResponse: 0x06,
  regTopic: 0x07,
  regConfirmation: 0x08,
  topicQuery: 0x09,
  topicNodes: 0x0a,
} as const satisfies Record<Discv5MessageKind, number>;

const KINDS = new Map(
  Object.entries(MESSAGE_TYPE).map(([kind, type]) => [type as number, kind as Discv5MessageKind]),
);
const TYPES = new Map(
  Object.entries(MESSAGE_TYPE).map(([kind, type]) => [kind as Discv5MessageKind, Uint8Array.of(type)]),
);

const trailing = { trailing: 'ignore' } as const;
const requestId = bytes({ max: MAX_REQUEST_ID_LENGTH });
const enrSeq = bigUint(64);
const topic = bytes(TOPIC_LENGTH);
// Any integer of 53 bits is a number; those beyond the bounds of the protocol are seen to where they are used.
const count = uint(53);
const distances = list(count);

const CODECS = {
  ping: struct({ requestId, enrSeq }, trailing),
  pong: struct({ requestId, enrSeq, address: bytes(), port: uint(16) }, trailing),
  findNode: struct({ requestId, distances }, trailing),
  nodes: struct({ requestId, total: count, records: list(raw) }, trailing),
  talkRequest: struct({ requestId, protocol: bytes(), request: bytes() }, trailing),
  talkResponse: struct({ requestId, response: bytes() }, trailing),
  regTopic: struct({ requestId, topic, record: raw, ticket: bytes(), distances }, trailing),
  regConfirmation: struct({ requestId, total: count, ticket: bytes(), waitMs: count }, trailing),
  topicQuery: struct({ requestId, topic, distances }, trailing),
};

/** What a plaintext says it is. */
export function messageKind(plaintext: Uint8Array): Discv5MessageKind | undefined {
  return KINDS.get(plaintext[0] ?? 0);
}

/**
 * The message of a plaintext; `undefined` for one of another type. What it holds are views of the plaintext.
 * @throws PeerlaneError `rlp-*` when the data is not what the type asks for
 */
export function decodeMessage(plaintext: Uint8Array): Message | undefined {
  const read = <T>(codec: Codec<T, never>): T => decodePrefix(codec, plaintext, 1).value;
  const kind = messageKind(plaintext);
  switch (kind) {
    case 'ping': {
      const { requestId, enrSeq } = read(CODECS.ping);
      return { kind, requestId, enrSeq };
    }
    case 'pong': {
      const { requestId, enrSeq, address, port } = read(CODECS.pong);
      return { kind, requestId, enrSeq, ip: addressText(address), port };
    }
    case 'findNode': {
      const { requestId, distances } = read(CODECS.findNode);
      return { kind, requestId, distances: distances.toArray() };
    }
    case 'nodes':
    case 'topicNodes': {
      const { requestId, total, records } = read(CODECS.nodes);
      return { kind, requestId, total, records: toRecords(records) };
    }
    case 'talkRequest':
      return { kind, ...read(CODECS.talkRequest) };
    case 'talkResponse':
      return { kind, ...read(CODECS.talkResponse) };
    case 'regTopic': {
      const { record, distances, ...rest } = read(CODECS.regTopic);
      return { kind, ...rest, record: record.encoded, distances: distances.toArray() };
    }
    case 'regConfirmation':
      return { kind, ...read(CODECS.regConfirmation) };
    case 'topicQuery': {
      const { requestId, topic, distances } = read(CODECS.topicQuery);
      return { kind, requestId, topic, distances: distances.toArray() };
    }
    case undefined:
      return undefined;
  }
}

/** Type and data: the plaintext of a packet. @throws PeerlaneError `invalid-argument` */
export function encodeMessage(message: Message): Uint8Array {
  const type = TYPES.get(message.kind) ?? Uint8Array.of();
  switch (message.kind) {
    case 'ping':
      return encodeBehind(type, CODECS.ping, message);
    case 'pong': {
      const { requestId, enrSeq, ip, port } = message;
      return encodeBehind(type, CODECS.pong, { requestId, enrSeq, address: addressBytes(ip ?? ''), port });
    }
    case 'findNode':
      return encodeBehind(type, CODECS.findNode, message);
    case 'nodes':
    case 'topicNodes': {
      const { requestId, total, records } = message;
      return encodeBehind(type, CODECS.nodes, { requestId, total, records: records.map(itemOf) });
    }
    case 'talkRequest':
      return encodeBehind(type, CODECS.talkRequest, message);
    case 'talkResponse':
      return encodeBehind(type, CODECS.talkResponse, message);
    case 'regTopic':
      return encodeBehind(type, CODECS.regTopic, { ...message, record: itemOf(message.record) });
    case 'regConfirmation':
      return encodeBehind(type, CODECS.regConfirmation, message);
    case 'topicQuery':
      return encodeBehind(type, CODECS.topicQuery, message);
  }
}

/** As `raw` takes it. */
const itemOf = (encoded: Uint8Array): Pick<RlpItem, 'encoded'> => ({ encoded });

/** What cannot be a record is left out; the others are as good as they were. */
function toRecords(items: Iterable<RlpItem>): Uint8Array[] {
  const records: Uint8Array[] = [];
  for (const { encoded, isList } of items) {
    if (records.length >= MAX_RECORDS) break;
    if (isList && encoded.length >= MIN_RECORD_SIZE && encoded.length <= MAX_RECORD_SIZE)
      records.push(encoded);
  }
  return records;
}
