import { toHex } from '../../src/base/bytes.ts';
import { bodyCodec } from '../../src/eth/body.ts';
import type { ChainHead, ChainReader } from '../../src/eth/chain-reader.ts';
import { type HeaderInput, headerCodec, headerHash } from '../../src/eth/header.ts';
import { consensusReceiptsCodec } from '../../src/eth/receipt.ts';
import { Transaction } from '../../src/eth/transaction.ts';
import { encode } from '../../src/rlp/index.ts';

export interface MemoryBlock {
  readonly hash: Uint8Array;
  readonly header: Uint8Array;
  body: Uint8Array;
  receipts: Uint8Array;
}

/** A chain of linked headers with one transaction a block; what is in it means nothing. Counts its look-ups. */
export class MemoryChain implements ChainReader {
  readonly blocks: MemoryBlock[] = [];
  lookups = 0;
  readonly #numbers = new Map<string, number>();

  constructor(head: number) {
    let parentHash: Uint8Array = new Uint8Array(32);
    for (let number = 0; number <= head; number++) {
      const header = encode(headerCodec, headerOf(number, parentHash));
      const hash = headerHash(header);
      const transaction = new Transaction(Uint8Array.of(2, 0xc2, number & 0x7f, 1));
      const body = encode(bodyCodec, { transactions: [transaction], ommers: [] });
      const receipts = encode(consensusReceiptsCodec, [
        { type: 2, statusOrRoot: Uint8Array.of(1), cumulativeGasUsed: BigInt(number), logs: [] },
      ]);
      this.blocks.push({ hash, header, body, receipts });
      this.#numbers.set(toHex(hash), number);
      parentHash = hash;
    }
  }

  get genesisHash(): Uint8Array {
    return this.hashAt(0);
  }

  /** The hash of a block that is there. */
  hashAt(number: number): Uint8Array {
    const block = this.blocks[number];
    if (block === undefined) throw new Error(`the test has no block ${number}`);
    return block.hash;
  }

  /** Hashes of the blocks from `from` to before `to`. */
  hashes(from: number, to: number): Uint8Array[] {
    return this.blocks.slice(from, to).map(({ hash }) => hash);
  }

  head(): ChainHead {
    const number = this.blocks.length - 1;
    const totalDifficulty = BigInt(this.blocks.length);
    return { number, hash: this.hashAt(number), timestamp: 12 * number, totalDifficulty };
  }

  earliest(): number {
    return 0;
  }

  async hashOf(number: number): Promise<Uint8Array | undefined> {
    return this.blocks[number]?.hash;
  }

  async numberOf(hash: Uint8Array): Promise<number | undefined> {
    return this.#numbers.get(toHex(hash));
  }

  async header(number: number): Promise<Uint8Array | undefined> {
    this.lookups++;
    return this.blocks[number]?.header;
  }

  async body(number: number): Promise<Uint8Array | undefined> {
    this.lookups++;
    return this.blocks[number]?.body;
  }

  async receipts(number: number): Promise<Uint8Array | undefined> {
    this.lookups++;
    return this.blocks[number]?.receipts;
  }
}

function headerOf(number: number, parentHash: Uint8Array): HeaderInput {
  const hash = new Uint8Array(32).fill(1);
  return {
    parentHash,
    ommersHash: hash,
    coinbase: new Uint8Array(20),
    stateRoot: hash,
    transactionsRoot: hash,
    receiptsRoot: hash,
    logsBloom: new Uint8Array(256),
    difficulty: 1n,
    number,
    gasLimit: 30_000_000n,
    gasUsed: 0n,
    timestamp: 12 * number,
    extraData: new Uint8Array(0),
    mixHash: hash,
    nonce: new Uint8Array(8),
  };
}
