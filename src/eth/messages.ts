import { PeerlaneError } from '../base/errors.ts';
import { type Codec, type Decoded, decode, type Encodable, encode } from '../rlp/index.ts';
import { bodyCodec } from './body.ts';
import { headerCodec } from './header.ts';
import {
  blockHashesCodec,
  blockRangeCodec,
  hashesRequestCodec,
  headersRequestCodec,
  newBlockCodec,
  responseCodec,
  servedCodec,
  transactionHashesCodec,
  transactionsCodec,
} from './message-codecs.ts';
import { consensusReceiptsCodec, networkReceiptsCodec, toNetworkReceipts } from './receipt.ts';
import { status68Codec, status69Codec } from './status.ts';
import { transactionCodec } from './transaction.ts';

/** Bound on the payload of a message, both ways (caps/eth.md, "Basic Operation"). */
export const MAX_MESSAGE_SIZE = 10 * 1024 * 1024;

/** The versions spoken, with the number of message codes that each takes. */
export const ETH_VERSIONS = [
  { version: 68, length: 17 },
  { version: 69, length: 18 },
] as const;

export type EthVersion = (typeof ETH_VERSIONS)[number]['version'];

/** `status` opens the session; a `response` answers a `request`; a `notification` comes unasked. */
export type MessageKind = 'status' | 'request' | 'response' | 'notification';

/** What is declared of a message. */
export interface MessageRow {
  readonly name: string;
  readonly code: number;
  readonly kind: MessageKind;
  /** First and last version that this row is for. */
  readonly since: number;
  readonly until?: number;
  readonly codec: Codec<unknown, never>;
  /** Bound on the payload in bytes. */
  readonly maxSize: number;
  /** Of a response: the request. */
  readonly answers?: string;
  /** Of a response: how it is written from items that are encoded already. */
  readonly served?: typeof servedCodec;
  /** Of a response: makes an item of what the chain keeps; absent where that is sent as it is. */
  readonly fromChain?: (encoded: Uint8Array) => Uint8Array;
}

const maxSize = MAX_MESSAGE_SIZE;
const since68 = { since: 68, maxSize } as const;
const since69 = { since: 69, maxSize } as const;
const only68 = { since: 68, until: 68, maxSize } as const;

const status = { name: 'Status', code: 0x00, kind: 'status' } as const;
const blockHeaders = {
  answers: 'GetBlockHeaders',
  codec: responseCodec(headerCodec),
  served: servedCodec,
} as const;
const blockBodies = {
  answers: 'GetBlockBodies',
  codec: responseCodec(bodyCodec),
  served: servedCodec,
} as const;
const pooled = {
  answers: 'GetPooledTransactions',
  codec: responseCodec(transactionCodec),
  served: servedCodec,
} as const;
const receipts = {
  name: 'Receipts',
  code: 0x10,
  kind: 'response',
  answers: 'GetReceipts',
  served: servedCodec,
} as const;
const receipts68 = responseCodec(consensusReceiptsCodec);
const receipts69 = { codec: responseCodec(networkReceiptsCodec), fromChain: toNetworkReceipts } as const;

/**
 * Every message of every version (caps/eth.md, "Protocol Messages"). A version that changes a message adds a row
 * and ends the old one. NewBlockHashes and NewBlock end with eth/68, although EIP-7642 leaves them in: no block is
 * announced since the merge, and go-ethereum disconnects whoever sends one over eth/69.
 */
export const ETH_MESSAGES = [
  { ...status, ...only68, codec: status68Codec },
  { ...status, ...since69, codec: status69Codec },
  { name: 'NewBlockHashes', code: 0x01, kind: 'notification', ...only68, codec: blockHashesCodec },
  { name: 'Transactions', code: 0x02, kind: 'notification', ...since68, codec: transactionsCodec },
  { name: 'GetBlockHeaders', code: 0x03, kind: 'request', ...since68, codec: headersRequestCodec },
  { name: 'BlockHeaders', code: 0x04, kind: 'response', ...since68, ...blockHeaders },
  { name: 'GetBlockBodies', code: 0x05, kind: 'request', ...since68, codec: hashesRequestCodec },
  { name: 'BlockBodies', code: 0x06, kind: 'response', ...since68, ...blockBodies },
  { name: 'NewBlock', code: 0x07, kind: 'notification', ...only68, codec: newBlockCodec },
  {
    name: 'NewPooledTransactionHashes',
    code: 0x08,
    kind: 'notification',
    ...since68,
    codec: transactionHashesCodec,
  },
  { name: 'GetPooledTransactions', code: 0x09, kind: 'request', ...since68, codec: hashesRequestCodec },
  { name: 'PooledTransactions', code: 0x0a, kind: 'response', ...since68, ...pooled },
  { name: 'GetReceipts', code: 0x0f, kind: 'request', ...since68, codec: hashesRequestCodec },
  { ...receipts, ...only68, codec: receipts68 },
  { ...receipts, ...since69, ...receipts69 },
  { name: 'BlockRangeUpdate', code: 0x11, kind: 'notification', ...since69, codec: blockRangeCodec },
] as const satisfies readonly MessageRow[];

type Row = (typeof ETH_MESSAGES)[number];
type RowsOf<N> = Extract<Row, { readonly name: N }>;
type NamesOf<K extends MessageKind> = Extract<Row, { readonly kind: K }>['name'];

export type MessageName = Row['name'];
export type RequestName = NamesOf<'request'>;
export type ResponseName = NamesOf<'response'>;
export type NotificationName = NamesOf<'notification'>;

/** Name of the message that answers the request `N`. */
export type ResponseOf<N extends RequestName> = Extract<Row, { readonly answers: N }>['name'];

/** What decoding gives, by the name of the message. */
export type MessageValues = { readonly [N in MessageName]: Decoded<RowsOf<N>['codec']> };
/** What encoding takes. */
export type MessageInputs = { readonly [N in MessageName]: Encodable<RowsOf<N>['codec']> };

/** A decoded message; `name` tells its value apart, `kind` what it is for. */
export type EthMessage = {
  readonly [N in MessageName]: {
    readonly name: N;
    readonly kind: RowsOf<N>['kind'];
    readonly value: MessageValues[N];
  };
}[MessageName];

/** A message ready to be sent. */
export interface EncodedMessage {
  readonly code: number;
  readonly payload: Uint8Array;
}

/** The rows in force at one version. */
interface VersionRows {
  readonly byCode: readonly (MessageRow | undefined)[];
  readonly byName: ReadonlyMap<string, MessageRow>;
}

const TABLES: ReadonlyMap<number, VersionRows> = new Map(
  ETH_VERSIONS.map(({ version, length }) => [version, rowsAt(version, length)]),
);

const ANSWERS = new Map<RequestName, ResponseName>(
  ETH_MESSAGES.flatMap((row) => ('answers' in row ? [[row.answers, row.name] as const] : [])),
);

function rowsAt(version: number, length: number): VersionRows {
  const all: readonly MessageRow[] = ETH_MESSAGES;
  const rows = all.filter(({ since, until = version }) => since <= version && version <= until);
  return {
    byCode: Array.from({ length }, (_, code) => rows.find((row) => row.code === code)),
    byName: new Map(rows.map((row) => [row.name, row])),
  };
}

/** The row of a message at `version`, or `undefined` where the version does not have it. */
export function messageRow(version: EthVersion, name: MessageName): MessageRow | undefined {
  return TABLES.get(version)?.byName.get(name);
}

/** Names of the messages of a version, by their codes. */
export function messageNamesOf(version: EthVersion): (string | undefined)[] {
  return TABLES.get(version)?.byCode.map((row) => row?.name) ?? [];
}

/** Name of the message that answers `request`. */
export function answerTo(request: RequestName): ResponseName {
  const name = ANSWERS.get(request);
  if (name === undefined) throw new PeerlaneError('invalid-argument', `no message answers ${request}`);
  return name;
}

/**
 * Encodes a message as `version` has it.
 * @throws PeerlaneError `invalid-argument` for a message that the version does not have, for a value that is not
 * one of its fields', and over the size bound
 */
export function encodeMessage<N extends MessageName>(
  version: EthVersion,
  name: N,
  value: MessageInputs[N],
): EncodedMessage {
  const row = requireRow(version, name);
  return bounded(row, encode(row.codec as Codec<unknown, MessageInputs[N]>, value));
}

/**
 * Encodes a response out of items that are encoded already.
 * @throws PeerlaneError `invalid-argument` as `encodeMessage`
 */
export function encodeResponse(
  version: EthVersion,
  name: ResponseName,
  id: bigint,
  items: readonly Uint8Array[],
): EncodedMessage {
  const row = requireRow(version, name);
  const served = row.served ?? servedCodec;
  return bounded(row, encode(served, { id, items: items.map((encoded) => ({ encoded })) }));
}

/**
 * Decodes a message that came in over `version`. Lists stay encoded until they are looked at, and then throw
 * what `RlpList` says.
 * @throws PeerlaneError `message-unsupported` for a code that the version does not have, `message-too-large`,
 * `message-invalid`, `block-range-invalid`, `rlp-...`
 */
export function decodeMessage(version: EthVersion, code: number, payload: Uint8Array): EthMessage {
  const row = TABLES.get(version)?.byCode[code];
  if (row === undefined) {
    throw new PeerlaneError('message-unsupported', `eth/${version} has no message 0x${code.toString(16)}`, {
      details: { version, code },
    });
  }
  const { name, kind, codec, maxSize } = row;
  if (payload.length > maxSize) {
    throw new PeerlaneError(
      'message-too-large',
      `${name} of ${payload.length} bytes, the bound is ${maxSize}`,
      {
        details: { name, size: payload.length },
      },
    );
  }
  try {
    return { name, kind, value: decode(codec, payload) } as EthMessage;
  } catch (error) {
    if (!(error instanceof PeerlaneError)) throw error;
    const { code: reason, details, message } = error;
    throw new PeerlaneError(reason, `${name}: ${message}`, { cause: error, details });
  }
}

function requireRow(version: EthVersion, name: MessageName): MessageRow {
  const row = messageRow(version, name);
  if (row === undefined) throw new PeerlaneError('invalid-argument', `eth/${version} has no ${name}`);
  return row;
}

function bounded({ name, code, maxSize }: MessageRow, payload: Uint8Array): EncodedMessage {
  if (payload.length > maxSize) {
    throw new PeerlaneError(
      'invalid-argument',
      `${name} of ${payload.length} bytes, the bound is ${maxSize}`,
    );
  }
  return { code, payload };
}
