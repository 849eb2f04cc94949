import { EMPTY, fromHex } from '../base/bytes.ts';
import { decode, encode, encodeList } from '../rlp/index.ts';
import { EMPTY_ROOT } from '../trie/index.ts';
import type { ForkSchedule } from './fork-id.ts';
import { allocationRoot } from './genesis-alloc.ts';
import { type ChainConfig, readChainConfig } from './genesis-config.ts';
import { genesisError, JsonObject, parseJson } from './genesis-json.ts';
import { type Header, type HeaderInput, headerCodec, headerHash, MAX_EXTRA_DATA } from './header.ts';
import { EMPTY_OMMERS_HASH } from './roots.ts';

/** Gas limit of a genesis block whose file says 0, as in go-ethereum. */
const DEFAULT_GAS_LIMIT = 4_712_388n;
/** Base fee of the first London block (EIP-1559), in wei. */
const INITIAL_BASE_FEE = 1_000_000_000n;
/** SHA-256 of nothing (EIP-7685). */
const EMPTY_REQUESTS_HASH = fromHex('0xe3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');

/** A chain's first block, and what of its configuration the network asks for. */
export interface Genesis {
  /** EIP-155. */
  readonly chainId: bigint;
  /** The chain id, cut to the 64 bits that Status messages have. */
  readonly networkId: bigint;
  /** Hash of the genesis block. */
  readonly hash: Uint8Array;
  readonly header: Header;
  /** RLP of the header. */
  readonly headerEncoding: Uint8Array;
  /** RLP of the body, which is empty. */
  readonly bodyEncoding: Uint8Array;
  readonly stateRoot: Uint8Array;
  readonly schedule: ForkSchedule;
  readonly terminalTotalDifficulty: bigint | undefined;
}

/**
 * Reads a genesis file in go-ethereum's format, as text or as parsed JSON, and computes its block: the state
 * root from `alloc`, the header with the fields of the forks that hold at genesis. Quantities may be numbers or
 * strings, decimal or hexadecimal. `config`, `config.chainId`, `gasLimit`, `difficulty`, `alloc` and each
 * account's `balance` must be there; what else is absent is zero or empty. Unknown fields are ignored.
 * @throws PeerlaneError `genesis-invalid`; its message and `details.field` name the field
 */
export function parseGenesis(input: unknown): Genesis {
  const file = new JsonObject(typeof input === 'string' ? parseJson(input) : input);
  const timestamp = file.safeNumber('timestamp') ?? 0;
  const config = readChainConfig(file.requiredObject('config'), timestamp);
  const stateRoot = allocationRoot(file.requiredObject('alloc'));
  const headerEncoding = encode(headerCodec, headerOf(file, config, timestamp, stateRoot));
  const emptyList = encodeList([]);
  return {
    chainId: config.chainId,
    networkId: BigInt.asUintN(64, config.chainId),
    hash: headerHash(headerEncoding),
    header: decode(headerCodec, headerEncoding),
    headerEncoding,
    bodyEncoding: encodeList(config.shanghai ? [emptyList, emptyList, emptyList] : [emptyList, emptyList]),
    stateRoot,
    schedule: config.schedule,
    terminalTotalDifficulty: config.terminalTotalDifficulty,
  };
}

function headerOf(
  file: JsonObject,
  config: ChainConfig,
  timestamp: number,
  stateRoot: Uint8Array,
): HeaderInput {
  if ((file.quantity('number', 64) ?? 0n) !== 0n)
    throw genesisError('number', 'a genesis block has number 0');
  const extraData = file.bytes('extraData') ?? EMPTY;
  if (extraData.length > MAX_EXTRA_DATA) throw genesisError('extraData', `more than ${MAX_EXTRA_DATA} bytes`);
  const gasLimit = file.requiredQuantity('gasLimit', 64);
  return {
    parentHash: file.bytes('parentHash', 32) ?? new Uint8Array(32),
    ommersHash: EMPTY_OMMERS_HASH,
    coinbase: file.bytes('coinbase', 20) ?? new Uint8Array(20),
    stateRoot,
    transactionsRoot: EMPTY_ROOT,
    receiptsRoot: EMPTY_ROOT,
    logsBloom: new Uint8Array(256),
    difficulty: file.requiredQuantity('difficulty', 256),
    number: 0,
    gasLimit: gasLimit === 0n ? DEFAULT_GAS_LIMIT : gasLimit,
    gasUsed: file.quantity('gasUsed', 64) ?? 0n,
    timestamp,
    extraData,
    mixHash: file.bytes('mixHash', 32) ?? new Uint8Array(32),
    nonce: nonceOf(file.quantity('nonce', 64) ?? 0n),
    ...forkFields(file, config),
  };
}

/** The fields that forks have added, as far as they hold at genesis. */
function forkFields(file: JsonObject, config: ChainConfig): Partial<HeaderInput> {
  const excessBlobGas = file.quantity('excessBlobGas', 64);
  const blobGasUsed = file.quantity('blobGasUsed', 64);
  const slotNumber = file.quantity('slotNumber', 64);
  if (excessBlobGas !== undefined && !config.cancun) {
    throw genesisError('excessBlobGas', 'set, but Cancun is not active at genesis');
  }
  return {
    baseFeePerGas: file.quantity('baseFeePerGas', 256) ?? (config.london ? INITIAL_BASE_FEE : undefined),
    ...(config.shanghai && { withdrawalsRoot: EMPTY_ROOT }),
    ...(config.cancun && {
      blobGasUsed: blobGasUsed ?? 0n,
      excessBlobGas: excessBlobGas ?? 0n,
      parentBeaconBlockRoot: new Uint8Array(32),
    }),
    ...(config.prague && { requestsHash: EMPTY_REQUESTS_HASH }),
    // The hash of an empty list (EIP-7928), which an empty list of ommers has too.
    ...(config.amsterdam && { blockAccessListHash: EMPTY_OMMERS_HASH, slotNumber: slotNumber ?? 0n }),
  };
}

function nonceOf(value: bigint): Uint8Array {
  const nonce = new Uint8Array(8);
  new DataView(nonce.buffer).setBigUint64(0, value);
  return nonce;
}
