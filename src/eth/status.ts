import { equalBytes, toHex } from '../base/bytes.ts';
import { type ErrorCode, PeerlaneError } from '../base/errors.ts';
import { bigUint, bytes, type Codec, mapped, struct, uint } from '../rlp/index.ts';
import type { ChainReader } from './chain-reader.ts';
import { type ForkId, type ForkSchedule, forkFilter, forkId, forkIdCodec } from './fork-id.ts';

/** The chain that both sides of a connection must be on. */
export interface EthNetwork {
  readonly networkId: number | bigint;
  readonly genesisHash: Uint8Array;
  readonly schedule: ForkSchedule;
}

/** The blocks whose bodies and receipts a node has, both ends included (caps/eth.md, "BlockRangeUpdate (0x11)"). */
export interface BlockRange {
  readonly earliest: number;
  readonly latest: number;
  readonly latestHash: Uint8Array;
}

/** What a peer says of itself and its chain (caps/eth.md, "Status (0x00)"), in one shape for all versions. */
export interface Status {
  readonly version: number;
  readonly networkId: bigint;
  readonly genesisHash: Uint8Array;
  readonly forkId: ForkId;
  /** eth/68 does not say the number. */
  readonly head: { readonly number?: number; readonly hash: Uint8Array };
  /** eth/68 only. */
  readonly totalDifficulty?: bigint;
  /** Since eth/69. */
  readonly earliest?: number;
}

/** A status with what every version asks for. */
export interface LocalStatus extends Status {
  readonly head: { readonly number: number; readonly hash: Uint8Array };
  readonly totalDifficulty: bigint;
  readonly earliest: number;
}

/** `[version, networkId, td, head, genesis, forkId]` (EIP-2364, with the fork id of EIP-2124). */
export const status68Codec: Codec<Status, LocalStatus> = mapped(
  struct({
    version: uint(32),
    networkId: bigUint(64),
    totalDifficulty: bigUint(256),
    headHash: bytes(32),
    genesisHash: bytes(32),
    forkId: forkIdCodec,
  }),
  ({ headHash, ...rest }) => ({ ...rest, head: { hash: headHash } }),
  ({ head, ...rest }: LocalStatus) => ({ ...rest, headHash: head.hash }),
);

/** `[version, networkId, genesis, forkId, earliest, latest, latestHash]` (EIP-7642). */
export const status69Codec: Codec<Status, LocalStatus> = mapped(
  struct({
    version: uint(32),
    networkId: bigUint(64),
    genesisHash: bytes(32),
    forkId: forkIdCodec,
    earliest: uint(53),
    latest: uint(53),
    latestHash: bytes(32),
  }),
  ({ latest, latestHash, ...rest }) => ({ ...rest, head: { number: latest, hash: latestHash } }),
  ({ head, ...rest }: LocalStatus) => ({ ...rest, latest: head.number, latestHash: head.hash }),
);

/** The status to send at `version` for the chain as it is now. */
export function localStatus(version: number, network: EthNetwork, chain: ChainReader): LocalStatus {
  const { number, hash, timestamp, totalDifficulty } = chain.head();
  return {
    version,
    networkId: BigInt(network.networkId),
    genesisHash: network.genesisHash,
    forkId: forkId(network.genesisHash, network.schedule, number, timestamp),
    head: { number, hash },
    totalDifficulty,
    earliest: chain.earliest(),
  };
}

/**
 * The check of remote statuses at one version: network, version, genesis, fork id and block range, in this order.
 * It throws PeerlaneError `network-mismatch`, `protocol-version-mismatch`, `genesis-mismatch`, `fork-id-mismatch`
 * or `block-range-invalid`.
 */
export function statusCheck(
  version: number,
  network: EthNetwork,
  chain: Pick<ChainReader, 'head'>,
): (remote: Status) => void {
  const acceptForkId = forkFilter(network.genesisHash, network.schedule, () => chain.head());
  return (remote) => {
    if (remote.networkId !== BigInt(network.networkId)) {
      throw new PeerlaneError(
        'network-mismatch',
        `the peer is on network ${remote.networkId}, not ${network.networkId}`,
        { details: { remote: remote.networkId, local: BigInt(network.networkId) } },
      );
    }
    if (remote.version !== version) {
      throw new PeerlaneError(
        'protocol-version-mismatch',
        `Status of eth/${remote.version} on eth/${version}`,
        {
          details: { remote: remote.version, local: version },
        },
      );
    }
    if (!equalBytes(remote.genesisHash, network.genesisHash)) {
      throw new PeerlaneError('genesis-mismatch', 'the peer has another genesis block', {
        details: { remote: toHex(remote.genesisHash), local: toHex(network.genesisHash) },
      });
    }
    const verdict = acceptForkId(remote.forkId);
    if (!verdict.ok) {
      throw new PeerlaneError('fork-id-mismatch', `the peer's fork id is refused: ${verdict.reason}`, {
        details: {
          reason: verdict.reason,
          remoteHash: toHex(remote.forkId.hash),
          remoteNext: remote.forkId.next,
        },
      });
    }
    const { earliest, head } = remote;
    if (earliest !== undefined && head.number !== undefined) {
      checkBlockRange({ earliest, latest: head.number, latestHash: head.hash });
    }
  };
}

/**
 * Checks that a range can be true: it is not empty, and its last block has a hash.
 * @throws PeerlaneError `code`
 */
export function checkBlockRange(
  { earliest, latest, latestHash }: BlockRange,
  code: ErrorCode = 'block-range-invalid',
): void {
  if (earliest > latest) {
    throw new PeerlaneError(code, `a block range from ${earliest} to ${latest}`, {
      details: { earliest, latest },
    });
  }
  if (latestHash.every((byte) => byte === 0)) {
    throw new PeerlaneError(code, 'the hash of the latest block is zero');
  }
}
