import { PeerlaneError } from '../base/errors.ts';
import {
  bigUint,
  bytes,
  type Codec,
  type Decoded,
  decode,
  type Encodable,
  either,
  encode,
  list,
  mapped,
  struct,
  uint,
} from '../rlp/index.ts';
import { BLOOM_LENGTH, bloomOf } from './bloom.ts';

const MAX_TOPICS = 4;
/** EIP-2718 leaves types up to 0x7f to envelopes. */
const MAX_TYPE = 0x7f;

export const logCodec = struct({
  address: bytes(20),
  topics: list(bytes(32), { max: MAX_TOPICS }),
  data: bytes(),
});

export type Log = Decoded<typeof logCodec>;

/** Since Byzantium 0x01 or nothing, for success or failure (EIP-658); before it the state root behind it. */
const statusOrRoot = bytes({ max: 32 });

/** A receipt as eth/69 and later send it: any type as a list, no bloom (EIP-7642). */
export const networkReceiptCodec = struct({
  /** Type of the transaction. */
  type: uint(7),
  statusOrRoot,
  /** Gas used in the block up to and with this transaction. */
  cumulativeGasUsed: bigUint(64),
  logs: list(logCodec),
});

export type Receipt = Decoded<typeof networkReceiptCodec>;
export type ReceiptInput = Encodable<typeof networkReceiptCodec>;

const consensusFields = struct({
  statusOrRoot,
  cumulativeGasUsed: bigUint(64),
  logsBloom: bytes(BLOOM_LENGTH),
  logs: list(logCodec),
});

/**
 * A receipt in the consensus encoding, which eth/68 sends: `[statusOrRoot, cumulativeGasUsed, bloom, logs]`, for
 * typed transactions within a byte string behind the type (EIP-2718). The bloom says nothing that the logs do
 * not: decoding drops it, encoding computes it, and a receipts root stands over the computed one.
 */
export const consensusReceiptCodec: Codec<Receipt, ReceiptInput> = mapped(
  either(bytes({ min: 1 }), consensusFields),
  (item) => (item instanceof Uint8Array ? typedReceipt(item) : withoutBloom(0, item)),
  (receipt) => (receipt.type === 0 ? withBloom(receipt) : receiptEnvelope(receipt)),
);

/** The receipts of a block, each as `networkReceiptCodec` has it. */
export const networkReceiptsCodec = list(networkReceiptCodec);
/** The receipts of a block, each in the consensus encoding. */
export const consensusReceiptsCodec = list(consensusReceiptCodec);

/**
 * RLP of a block's receipts as eth/69 sends them, from that in the consensus encoding. Logs are copied, not
 * looked into.
 * @throws PeerlaneError `rlp-...`, `message-invalid`
 */
export function toNetworkReceipts(consensus: Uint8Array): Uint8Array {
  // As an array: a list that was decoded is written as the bytes that it came from.
  return encode(networkReceiptsCodec, decode(consensusReceiptsCodec, consensus).toArray());
}

/**
 * RLP of a block's receipts in the consensus encoding, from that of eth/69; blooms are computed.
 * @throws PeerlaneError `rlp-...`
 */
export function toConsensusReceipts(network: Uint8Array): Uint8Array {
  return encode(consensusReceiptsCodec, decode(networkReceiptsCodec, network).toArray());
}

/** The consensus encoding of a receipt as the receipts trie holds it: a list, or `type || list`. */
export function receiptEnvelope(receipt: ReceiptInput): Uint8Array {
  const payload = encode(consensusFields, withBloom(receipt));
  if (receipt.type === 0) return payload;
  const envelope = new Uint8Array(1 + payload.length);
  envelope[0] = receipt.type;
  envelope.set(payload, 1);
  return envelope;
}

/** The bloom filter over the addresses and topics of `logs`. */
export function logsBloom(logs: Iterable<Encodable<typeof logCodec>>): Uint8Array {
  const values: Uint8Array[] = [];
  for (const { address, topics } of logs) values.push(address, ...topics);
  return bloomOf(values);
}

function withBloom({
  statusOrRoot,
  cumulativeGasUsed,
  logs,
}: ReceiptInput): Encodable<typeof consensusFields> {
  return { statusOrRoot, cumulativeGasUsed, logsBloom: logsBloom(logs), logs };
}

function withoutBloom(type: number, fields: Decoded<typeof consensusFields>): Receipt {
  const { statusOrRoot, cumulativeGasUsed, logs } = fields;
  return { type, statusOrRoot, cumulativeGasUsed, logs };
}

function typedReceipt(envelope: Uint8Array): Receipt {
  const type = envelope[0] ?? 0;
  if (type === 0 || type > MAX_TYPE) {
    throw new PeerlaneError('message-invalid', `no receipt has the type ${type}`, { details: { type } });
  }
  return withoutBloom(type, decode(consensusFields, envelope.subarray(1)));
}
