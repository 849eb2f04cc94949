import { toBareHex } from '../base/bytes.ts';
import { PeerlaneError } from '../base/errors.ts';
import { keccak256 } from '../crypto/index.ts';
import { bytes, type Codec, decode, either, list, mapped, raw } from '../rlp/index.ts';

/** Transaction types: the first byte of an EIP-2718 envelope, 0 for transactions without one. */
export const TX_TYPE = {
  legacy: 0,
  /** EIP-2930. */
  accessList: 1,
  /** EIP-1559. */
  dynamicFee: 2,
  /** EIP-4844. */
  blob: 3,
  /** EIP-7702. */
  setCode: 4,
} as const;

/** The highest type that EIP-2718 leaves to envelopes; above it lie the headers of RLP lists. */
const MAX_TYPE = 0x7f;

/**
 * A transaction as it was sent, not looked into: `decodeTransaction` reads its fields. Transactions of unknown
 * type are carried as well.
 */
export class Transaction {
  /** 0 for a legacy transaction, else the type of its envelope, 1 to 127. */
  readonly type: number;
  /**
   * The consensus encoding: an RLP list, or `type || payload`. In the transaction pool's form of a blob
   * transaction the payload holds the sidecar too.
   */
  readonly encoded: Uint8Array;
  #hash: Uint8Array | undefined;

  /**
   * @param encoded a legacy transaction's RLP list or an envelope; kept, not copied
   * @throws PeerlaneError `message-invalid` if it starts like neither
   */
  constructor(encoded: Uint8Array) {
    const first = encoded[0];
    if (first === undefined) throw new PeerlaneError('message-invalid', 'an empty transaction');
    if (first < 0xc0 && (first === 0 || first > MAX_TYPE)) {
      throw new PeerlaneError(
        'message-invalid',
        `0x${toBareHex(encoded.subarray(0, 1))} is no transaction type`,
      );
    }
    this.type = first >= 0xc0 ? TX_TYPE.legacy : first;
    this.encoded = encoded;
  }

  /** Bytes of the encoding, as announcements count them (EIP-5793), with the sidecar if there is one. */
  get size(): number {
    return this.encoded.length;
  }

  /**
   * The transaction hash, computed once. A sidecar does not enter into it (EIP-4844, "Networking").
   * @throws PeerlaneError `rlp-...` if a blob transaction's payload does not start like a list
   */
  hash(): Uint8Array {
    this.#hash ??=
      this.type === TX_TYPE.blob ? keccak256(...this.#withoutSidecar()) : keccak256(this.encoded);
    return this.#hash;
  }

  /**
   * Whether this is the pool's form of a blob transaction, `type || [fields, ...sidecar]`, versioned
   * (EIP-7594) or not, with blobs or without: the first item of the payload is a list, not a chain id.
   * @throws PeerlaneError `rlp-...` as `hash`
   */
  get hasSidecar(): boolean {
    return this.type === TX_TYPE.blob && sidecarForm(this.encoded) !== undefined;
  }

  /** Type and fields, as they stand in a block; the transaction itself if it has no sidecar. */
  withoutSidecar(): Transaction {
    if (!this.hasSidecar) return this;
    const [type, fields] = this.#withoutSidecar();
    const encoded = new Uint8Array(1 + (fields?.length ?? 0));
    encoded.set(type ?? encoded);
    if (fields !== undefined) encoded.set(fields, 1);
    return new Transaction(encoded);
  }

  #withoutSidecar(): Uint8Array[] {
    const fields = sidecarForm(this.encoded);
    return fields === undefined ? [this.encoded] : [this.encoded.subarray(0, 1), fields];
  }
}

/** The items of a payload, none of them looked into. */
const payloadCodec = list(raw, { min: 1 });

/** The RLP list of the fields within the pool's form of a blob transaction. */
function sidecarForm(encoded: Uint8Array): Uint8Array | undefined {
  const first = decode(payloadCodec, encoded.subarray(1)).at(0);
  return first.isList ? first.encoded : undefined;
}

/** A transaction on the wire: an RLP list, or a byte string that holds an envelope (EIP-2976). */
export const transactionCodec: Codec<Transaction> = mapped(
  either(bytes({ min: 1 }), raw),
  (item) => (item instanceof Uint8Array ? envelope(item) : new Transaction(item.encoded)),
  (transaction) =>
    transaction.type === TX_TYPE.legacy ? { encoded: transaction.encoded } : transaction.encoded,
);

function envelope(encoded: Uint8Array): Transaction {
  const transaction = new Transaction(encoded);
  if (transaction.type === TX_TYPE.legacy) {
    throw new PeerlaneError('message-invalid', 'a legacy transaction within a byte string');
  }
  return transaction;
}
