/** The generated chains that geth is started with. */
import { fileURLToPath } from 'node:url';

export interface ChainFiles {
  readonly name: string;
  /** geth's genesis format. */
  readonly genesis: string;
  /** Blocks 1 to head, RLP, gzip. */
  readonly blocks: string;
  readonly head: number;
  readonly headHash: string;
  readonly networkId: number;
}

const at = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

export const GENESIS_HASH = '0x8c01c3deeab2d9f97f245cdb11939adb5d238aff15cc2b0646370f69788229e2';

export const SMALL_CHAIN: ChainFiles = {
  name: 'small',
  genesis: at('../../data/small/genesis.json'),
  blocks: at('../../data/small/chain.rlp.gz'),
  head: 600,
  headHash: '0x7c7af7efb34fe5ad18515cff4f6d8822b10128fe906f3a02c918ea00bec0e555',
  networkId: 1337331,
};

/** Has the genesis block of `small` but another fork schedule: the two refuse each other by fork id. */
export const LONG_CHAIN: ChainFiles = {
  name: 'long',
  genesis: at('testdata/long/genesis.json'),
  blocks: at('testdata/long/chain.rlp.gz'),
  head: 24_000,
  headHash: '0xe1f8e6d4fb07a4955a8def7bf68dc9f533c6a24187d09c75dbe900a6193f9170',
  networkId: 1337331,
};
