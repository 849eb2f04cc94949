import {
  checkArray,
  checkFunction,
  checkLength,
  checkNames,
  checkObject,
  invalidArgument,
  isObject,
  type NamesOf,
  reading,
  refuseThenable,
} from '../base/checks.ts';
import type { ChainReader } from './chain-reader.ts';
import { type ForkHead, type ForkId, type ForkSchedule, forkFilter, forkId } from './fork-id.ts';
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

const OPTIONS: NamesOf<EthDiscoveryOptions> = { network: true, chain: true };

/**
 * What a server's discovery has to know of a chain:
 *
 * ```js
 * new Server({ discovery: { ...ethDiscovery({ network, chain }), dns: [PRESETS.sepolia.dnsNodeList] }, ... });
 * ```
 *
 * @throws PeerlaneError `invalid-argument`, also from `accepts` and `recordEntries` when `chain.head` throws something
 * else or gives no head
 */
export function ethDiscovery(options: EthDiscoveryOptions): EthDiscovery {
  const { genesisHash, schedule, chain } = checkOptions(options);
  const head = (): ForkHead => headOf(chain);
  const filter = forkFilter(genesisHash, schedule, head);
  return {
    accepts: (record) => {
      const remote = forkIdOf(record);
      return remote !== undefined && filter(remote).ok;
    },
    recordEntries: () => {
      const { number, timestamp } = head();
      return { eth: forkId(genesisHash, schedule, number, timestamp) };
    },
  };
}

interface Checked {
  readonly genesisHash: Uint8Array;
  readonly schedule: ForkSchedule;
  readonly chain: EthDiscoveryOptions['chain'];
}

function checkOptions(options: EthDiscoveryOptions): Checked {
  return reading('the options of ethDiscovery', () => {
    checkNames('the options of ethDiscovery', options, OPTIONS);
    const { network, chain } = options;
    checkObject('network', network);
    const { networkId, genesisHash, schedule } = network;
    checkWhole('network.networkId', networkId);
    checkLength('network.genesisHash', genesisHash, 32);
    checkObject('network.schedule', schedule);
    const { blocks, times, genesisTime = 0 } = schedule;
    for (const [name, values] of Object.entries({ blocks, times })) {
      checkArray(`network.schedule.${name}`, values);
      for (const value of values) checkWhole(`network.schedule.${name}`, value);
    }
    checkWhole('network.schedule.genesisTime', genesisTime);
    checkObject('chain', chain);
    checkFunction('chain.head', chain.head);
    return { genesisHash, schedule: { blocks: [...blocks], times: [...times], genesisTime }, chain };
  });
}

/** A number of a block, or seconds. */
function checkWhole(name: string, value: unknown): void {
  const isWhole = typeof value === 'bigint' ? value < 2n ** 64n : Number.isSafeInteger(value);
  if (isWhole && Number(value) >= 0) return;
  throw invalidArgument(`${name} is not a whole number of 64 bits`);
}

function headOf(chain: EthDiscoveryOptions['chain']): ForkHead {
  return reading('what chain.head gives', () => {
    const head = chain.head();
    refuseThenable('chain.head', head);
    checkObject('what chain.head gives', head);
    const { number, timestamp } = head;
    checkWhole('the number of what chain.head gives', number);
    checkWhole('the timestamp of what chain.head gives', timestamp);
    return { number, timestamp };
  });
}

/** The entry of a record, which need not be one of ours. */
function forkIdOf(record: EthRecord): ForkId | undefined {
  return reading('the record', () => {
    if (!isObject(record) || typeof record.get !== 'function') throw invalidArgument('the record has no get');
    const forkId = record.get('eth');
    if (forkId === undefined) return undefined;
    refuseThenable('get of the record', forkId);
    const isForkId = isObject(forkId) && forkId.hash instanceof Uint8Array && typeof forkId.next === 'bigint';
    if (!isForkId) throw invalidArgument('the entry "eth" of the record is no fork id');
    return forkId;
  });
}
