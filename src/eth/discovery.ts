import type { ChainReader } from './chain-reader.ts';
import { type ForkId, forkFilter, forkId } from './fork-id.ts';
import type { EthNetwork } from './status.ts';

/** A node record, as far as its entry `eth` goes (enr-entries/eth.md). */
export interface EthRecord {
  get(key: 'eth'): ForkId | undefined;
}

export interface EthDiscovery {
  /**
   * Whether the node of a record may be on our chain (EIP-2124). One without the entry speaks no eth.
   */
  accepts(this: void, record: EthRecord): boolean;
  /** The entry of our own record. */
  recordEntries(this: void): { readonly eth: ForkId };
}

export interface EthDiscoveryOptions {
  readonly network: EthNetwork;
  /** Its head is looked at each time. */
  readonly chain: Pick<ChainReader, 'head'>;
}

/**
 * What a server's discovery has to know of a chain:
 *
 * ```js
 * new Server({ discovery: { ...ethDiscovery({ network, chain }), dns: [PRESETS.sepolia.dnsNodeList] }, ... });
 * ```
 */
export function ethDiscovery({ network, chain }: EthDiscoveryOptions): EthDiscovery {
  const { genesisHash, schedule } = network;
  const filter = forkFilter(genesisHash, schedule, () => chain.head());
  return {
    accepts: (record) => {
      const remote = record.get('eth');
      return remote !== undefined && filter(remote).ok;
    },
    recordEntries: () => {
      const { number, timestamp } = chain.head();
      return { eth: forkId(genesisHash, schedule, number, timestamp) };
    },
  };
}
