import { keccak256 } from '../crypto/index.ts';
import { bigUint, bytes, type Decoded, type Encodable, optional, struct, uint } from '../rlp/index.ts';

/** No consensus engine comes near it; it keeps junk out of headers, as go-ethereum's sanity check does. */
export const MAX_EXTRA_DATA = 100 * 1024;

/**
 * A block header (caps/eth.md, "Block Encoding and Validity"). The optional fields came with forks, in this
 * order, each with all before it; a header with fields beyond them is refused, as its hash could not be
 * computed again from what was read. Block numbers and timestamps beyond 2^53 - 1 are refused too.
 */
export const headerCodec = struct({
  parentHash: bytes(32),
  /** keccak256 of the RLP of the list of ommers. */
  ommersHash: bytes(32),
  coinbase: bytes(20),
  stateRoot: bytes(32),
  transactionsRoot: bytes(32),
  receiptsRoot: bytes(32),
  logsBloom: bytes(256),
  difficulty: bigUint(256),
  number: uint(53),
  gasLimit: bigUint(64),
  gasUsed: bigUint(64),
  /** Unix seconds. */
  timestamp: uint(53),
  extraData: bytes({ max: MAX_EXTRA_DATA }),
  /** Since the merge: the beacon chain's RANDAO value (EIP-4399). */
  mixHash: bytes(32),
  nonce: bytes(8),
  /** London, EIP-1559; wei. */
  baseFeePerGas: optional(bigUint(256)),
  /** Shanghai, EIP-4895. */
  withdrawalsRoot: optional(bytes(32)),
  /** Cancun, EIP-4844. */
  blobGasUsed: optional(bigUint(64)),
  excessBlobGas: optional(bigUint(64)),
  /** Cancun, EIP-4788. */
  parentBeaconBlockRoot: optional(bytes(32)),
  /** Prague, EIP-7685. */
  requestsHash: optional(bytes(32)),
  /** Amsterdam, EIP-7928. */
  blockAccessListHash: optional(bytes(32)),
  /** Amsterdam, EIP-7843; in go-ethereum, not yet in caps/eth.md. */
  slotNumber: optional(bigUint(64)),
});

export type Header = Decoded<typeof headerCodec>;
export type HeaderInput = Encodable<typeof headerCodec>;

/** The block hash, from the RLP of the header. */
export function headerHash(encoded: Uint8Array): Uint8Array {
  return keccak256(encoded);
}
