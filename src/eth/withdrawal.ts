import { bigUint, bytes, type Decoded, struct } from '../rlp/index.ts';

/** A withdrawal of the beacon chain (EIP-4895, "System-level operation: withdrawal"). */
export const withdrawalCodec = struct({
  index: bigUint(64),
  validatorIndex: bigUint(64),
  address: bytes(20),
  /** Gwei. */
  amount: bigUint(64),
});

export type Withdrawal = Decoded<typeof withdrawalCodec>;
