import { equalBytes } from '../base/bytes.ts';
import { checkDuration, checkNames, type NamesOf } from '../base/checks.ts';
import { type Env, systemEnv } from '../base/env.ts';
import { PeerlaneError } from '../base/errors.ts';
import { Gate } from '../base/gate.ts';
import type { Protocol } from '../p2p/protocol.ts';
import type { ChainReader } from './chain-reader.ts';
import { forkId } from './fork-id.ts';
import { ETH_VERSIONS, type EthVersion, MAX_MESSAGE_SIZE, messageNamesOf } from './messages.ts';
import { type PooledTransactions, SOFT_RESPONSE_LIMIT } from './serve.ts';
import { type EthHandlers, runSession, type SessionOptions } from './session.ts';
import type { EthNetwork } from './status.ts';
import { SharedLength } from './work-queue.ts';

/** How long the peer's Status is waited for, as in go-ethereum. */
export const STATUS_TIMEOUT_MS = 5000;

/** Bytes of answers that are being made at a time, for all peers: four of the largest. */
const MAX_ANSWERS_LENGTH = 4 * SOFT_RESPONSE_LIMIT;

/** Bytes of notifications that wait for handlers, of all peers; one of the largest, and more of the usual ones. */
const MAX_NOTIFICATIONS_LENGTH = 16 * 1024 * 1024;

export interface EthOptions extends EthHandlers {
  readonly network: EthNetwork;
  /** What is announced in the Status and served to peers. */
  readonly chain: ChainReader;
  /** Versions to offer; default all that are spoken, 68 and 69. */
  readonly versions?: readonly EthVersion[];
  /** Answers GetPooledTransactions, for at most 256 hashes at once; without it none is found. */
  readonly pooledTransactions?: PooledTransactions;
  /** Milliseconds until a peer must have sent its Status; default 5,000. */
  readonly statusTimeoutMs?: number;
  readonly env?: Env;
}

const OPTIONS: NamesOf<EthOptions> = {
  ...{
    network: true,
    chain: true,
    versions: true,
    pooledTransactions: true,
    statusTimeoutMs: true,
    env: true,
  },
  ...{
    onPeer: true,
    onTransactions: true,
    onTransactionHashes: true,
    onNewBlock: true,
    onNewBlockHashes: true,
  },
  ...{ onBlockRange: true, onError: true },
};

/**
 * The eth protocol (caps/eth.md) for a server to offer: one entry per version.
 * @throws PeerlaneError `invalid-argument`
 */
export function ethProtocols(options: EthOptions): Protocol[] {
  checkNames('the options of ethProtocols', options, OPTIONS);
  const { versions = ETH_VERSIONS.map(({ version }) => version) } = options;
  const { env = systemEnv, statusTimeoutMs = STATUS_TIMEOUT_MS } = options;
  const answers = new Gate(MAX_ANSWERS_LENGTH);
  const notifications = new SharedLength(MAX_NOTIFICATIONS_LENGTH);
  const session: SessionOptions = { ...options, env, statusTimeoutMs, answers, notifications };
  checkOptions(session);
  if (versions.length === 0) throw new PeerlaneError('invalid-argument', 'versions is empty');
  if (new Set(versions).size < versions.length) {
    throw new PeerlaneError('invalid-argument', 'versions names one twice');
  }
  return versions.map((wanted) => {
    const spoken = ETH_VERSIONS.find(({ version }) => version === wanted);
    if (spoken === undefined) throw new PeerlaneError('invalid-argument', `eth/${wanted} is not spoken`);
    const { version, length } = spoken;
    return {
      name: 'eth',
      version,
      length,
      maxMessageSize: MAX_MESSAGE_SIZE,
      messageNames: messageNamesOf(version),
      confirms: true,
      handler: (channel) => runSession(channel, version, session),
    };
  });
}

function checkOptions({ network, chain, statusTimeoutMs }: SessionOptions): void {
  if (typeof network !== 'object' || network === null || typeof chain !== 'object' || chain === null) {
    throw new PeerlaneError('invalid-argument', 'network and chain must be given');
  }
  const { networkId, genesisHash, schedule } = network;
  const isInteger = typeof networkId === 'bigint' || Number.isSafeInteger(networkId);
  if (!isInteger || networkId < 0 || networkId >= 2n ** 64n) {
    throw new PeerlaneError('invalid-argument', 'networkId must be an integer of 64 bits');
  }
  if (!(genesisHash instanceof Uint8Array) || genesisHash.length !== 32) {
    throw new PeerlaneError('invalid-argument', 'genesisHash must be 32 bytes');
  }
  if (!equalBytes(genesisHash, chain.genesisHash)) {
    throw new PeerlaneError('invalid-argument', 'the chain has another genesis block than the network');
  }
  checkDuration('statusTimeoutMs', statusTimeoutMs);
  try {
    forkId(genesisHash, schedule, 0, 0);
  } catch (error) {
    throw new PeerlaneError('invalid-argument', 'the fork schedule is invalid', { cause: error });
  }
}
