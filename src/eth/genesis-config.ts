import type { ForkSchedule } from './fork-id.ts';
import { genesisError, type JsonObject } from './genesis-json.ts';

/** Forks by block number that go-ethereum counts in the fork id, under their names in the file. */
const BLOCK_FORKS = [
  'homesteadBlock',
  'daoForkBlock',
  'eip150Block',
  'eip155Block',
  'eip158Block',
  'byzantiumBlock',
  'constantinopleBlock',
  'petersburgBlock',
  'istanbulBlock',
  'muirGlacierBlock',
  'berlinBlock',
  'londonBlock',
  'arrowGlacierBlock',
  'grayGlacierBlock',
  'mergeNetsplitBlock',
] as const;

/** Forks by timestamp; those that change nothing but blob parameters are numbered: bpo1Time, bpo2Time ... */
const TIME_FORKS = [
  'shanghaiTime',
  'cancunTime',
  'pragueTime',
  'osakaTime',
  'amsterdamTime',
  'bogotaTime',
  'ubtTime',
  'verkleTime',
] as const;
const BLOB_FORK = /^bpo\d+Time$/i;

/** What of the `config` of a genesis file matters to the network. */
export interface ChainConfig {
  /** EIP-155. */
  readonly chainId: bigint;
  readonly schedule: ForkSchedule;
  readonly terminalTotalDifficulty: bigint | undefined;
  /** Whether the rules of London hold at genesis; without them none of the later ones do. */
  readonly london: boolean;
  /** Which forks by timestamp hold at genesis. */
  readonly shanghai: boolean;
  readonly cancun: boolean;
  readonly prague: boolean;
  readonly amsterdam: boolean;
}

/**
 * Reads the `config` of a genesis file. Names that are not known are ignored.
 * @throws PeerlaneError `genesis-invalid`
 */
export function readChainConfig(config: JsonObject, genesisTime: number): ChainConfig {
  for (const flag of ['enableUBTAtGenesis', 'enableVerkleAtGenesis']) {
    if (config.flag(flag))
      throw genesisError(config.path(flag), 'a genesis with another tree is not supported');
  }
  const london = config.quantity('londonBlock', 64) === 0n;
  const atGenesis = (name: string): boolean => {
    const time = config.quantity(name, 64);
    return london && time !== undefined && time <= genesisTime;
  };
  const chainConfig = {
    chainId: config.requiredQuantity('chainId', 256),
    schedule: readSchedule(config, genesisTime),
    terminalTotalDifficulty: config.quantity('terminalTotalDifficulty', 256),
    london,
    shanghai: atGenesis('shanghaiTime'),
    cancun: atGenesis('cancunTime'),
    prague: atGenesis('pragueTime'),
    amsterdam: atGenesis('amsterdamTime'),
  };
  // Each of these adds fields to the header behind those of the one before.
  const layered = ['shanghai', 'cancun', 'prague', 'amsterdam'] as const;
  for (const [i, fork] of layered.entries()) {
    const previous = layered[i - 1];
    if (previous !== undefined && chainConfig[fork] && !chainConfig[previous]) {
      throw genesisError(config.path(`${previous}Time`), `not active at genesis, while ${fork}Time is`);
    }
  }
  return chainConfig;
}

function readSchedule(config: JsonObject, genesisTime: number): ForkSchedule {
  const blobForks = config.entries.map(([name]) => name).filter((name) => BLOB_FORK.test(name));
  const read = (names: readonly string[]): (number | bigint)[] =>
    names
      .map((name) => config.quantity(name, 64))
      .filter((at) => at !== undefined)
      .map((at) => (at <= Number.MAX_SAFE_INTEGER ? Number(at) : at));
  return { blocks: read(BLOCK_FORKS), times: read([...TIME_FORKS, ...blobForks]), genesisTime };
}
