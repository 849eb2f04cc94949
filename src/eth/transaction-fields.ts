import { PeerlaneError } from '../base/errors.ts';
import {
  bigUint,
  bytes,
  type Codec,
  type Decoded,
  decode,
  encode,
  list,
  mapped,
  struct,
  uint,
} from '../rlp/index.ts';
import { Transaction, TX_TYPE } from './transaction.ts';

const uint64 = bigUint(64);
const uint256 = bigUint(256);

/** A recipient, or undefined for the creation of a contract. */
const recipient: Codec<Uint8Array | undefined> = mapped(
  bytes({ max: 20 }),
  (address) => {
    if (address.length !== 0 && address.length !== 20) {
      throw new PeerlaneError(
        'rlp-unexpected',
        `an address of 20 bytes or none expected, found ${address.length}`,
      );
    }
    return address.length === 0 ? undefined : address;
  },
  (address) => address ?? new Uint8Array(0),
);

/** EIP-2930. */
const accessList = list(struct({ address: bytes(20), storageKeys: list(bytes(32)) }));
const signature = { yParity: uint(8), r: uint256, s: uint256 };

const authorization = struct({
  /** 0 for any chain. */
  chainId: uint256,
  address: bytes(20),
  nonce: uint64,
  ...signature,
});

const legacy = struct({
  nonce: uint64,
  gasPrice: uint256,
  gasLimit: uint64,
  to: recipient,
  value: uint256,
  data: bytes(),
  /** 27 or 28, or with the chain id in it (EIP-155). */
  v: uint256,
  r: uint256,
  s: uint256,
});

const accessListTransaction = struct({
  chainId: uint256,
  nonce: uint64,
  gasPrice: uint256,
  gasLimit: uint64,
  to: recipient,
  value: uint256,
  data: bytes(),
  accessList,
  ...signature,
});

const feeMarket = {
  chainId: uint256,
  nonce: uint64,
  maxPriorityFeePerGas: uint256,
  maxFeePerGas: uint256,
  gasLimit: uint64,
};

const dynamicFee = struct({
  ...feeMarket,
  to: recipient,
  value: uint256,
  data: bytes(),
  accessList,
  ...signature,
});

const blob = struct({
  ...feeMarket,
  to: bytes(20),
  value: uint256,
  data: bytes(),
  accessList,
  maxFeePerBlobGas: uint256,
  blobVersionedHashes: list(bytes(32)),
  ...signature,
});

const setCode = struct({
  ...feeMarket,
  to: bytes(20),
  value: uint256,
  data: bytes(),
  accessList,
  authorizationList: list(authorization),
  ...signature,
});

export type LegacyTransaction = { readonly type: 0 } & Decoded<typeof legacy>;
export type AccessListTransaction = { readonly type: 1 } & Decoded<typeof accessListTransaction>;
export type DynamicFeeTransaction = { readonly type: 2 } & Decoded<typeof dynamicFee>;
export type BlobTransaction = { readonly type: 3 } & Decoded<typeof blob>;
export type SetCodeTransaction = { readonly type: 4 } & Decoded<typeof setCode>;

/**
 * The fields of a transaction under the names of its EIP, a union on `type`. Prices are in wei; an access list,
 * hashes and authorizations are decoded when they are looked at.
 */
export type TransactionFields =
  | LegacyTransaction
  | AccessListTransaction
  | DynamicFeeTransaction
  | BlobTransaction
  | SetCodeTransaction;

/**
 * Reads the fields of a transaction of type 0 to 4; those of a blob transaction from either of its forms. That
 * they make sense (signature, gas, fork) is not checked.
 * @throws PeerlaneError `message-invalid` for any other type, `rlp-...` when the payload is not of the type's form
 */
export function decodeTransaction(transaction: Transaction): TransactionFields {
  const { type, encoded } = transaction;
  const payload = encoded.subarray(1);
  switch (type) {
    case TX_TYPE.legacy:
      return { type, ...decode(legacy, encoded) };
    case TX_TYPE.accessList:
      return { type, ...decode(accessListTransaction, payload) };
    case TX_TYPE.dynamicFee:
      return { type, ...decode(dynamicFee, payload) };
    case TX_TYPE.blob:
      return { type, ...decode(blob, transaction.withoutSidecar().encoded.subarray(1)) };
    case TX_TYPE.setCode:
      return { type, ...decode(setCode, payload) };
    default:
      throw new PeerlaneError('message-invalid', `transactions of type ${type} are not known`, {
        details: { type },
      });
  }
}

/** The transaction with these fields. @throws PeerlaneError `invalid-argument` if one does not fit its width */
export function encodeTransaction(fields: TransactionFields): Transaction {
  switch (fields.type) {
    case TX_TYPE.legacy:
      return new Transaction(encode(legacy, fields));
    case TX_TYPE.accessList:
      return enveloped(fields.type, encode(accessListTransaction, fields));
    case TX_TYPE.dynamicFee:
      return enveloped(fields.type, encode(dynamicFee, fields));
    case TX_TYPE.blob:
      return enveloped(fields.type, encode(blob, fields));
    case TX_TYPE.setCode:
      return enveloped(fields.type, encode(setCode, fields));
  }
}

function enveloped(type: number, payload: Uint8Array): Transaction {
  const encoded = new Uint8Array(1 + payload.length);
  encoded[0] = type;
  encoded.set(payload, 1);
  return new Transaction(encoded);
}

/** The chain that a legacy transaction is bound to (EIP-155); undefined if it is valid on any. */
export function legacyChainId(v: bigint): bigint | undefined {
  return v >= 35n ? (v - 35n) / 2n : undefined;
}
