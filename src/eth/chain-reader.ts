/** The block that a chain ends with. */
export interface ChainHead {
  readonly number: number;
  readonly hash: Uint8Array;
  /** Unix seconds. */
  readonly timestamp: number;
  /** Sum of all difficulties up to it; eth/68 announces it. */
  readonly totalDifficulty: bigint;
}

/**
 * The chain that is served to peers: canonical blocks from `earliest` to `head`, in the encodings of the wire.
 * Block numbers are safe integers.
 */
export interface ChainReader {
  readonly genesisHash: Uint8Array;
  head(): ChainHead;
  /** Number of the first block whose body is there. */
  earliest(): number;
  hashOf(number: number): Promise<Uint8Array | undefined>;
  numberOf(hash: Uint8Array): Promise<number | undefined>;
  /** RLP of the header. */
  header(number: number): Promise<Uint8Array | undefined>;
  /** RLP of `[transactions, ommers, withdrawals?]`. */
  body(number: number): Promise<Uint8Array | undefined>;
  /** RLP of the block's list of receipts in the consensus encoding, where the chain has them. */
  receipts?(number: number): Promise<Uint8Array | undefined>;
}
