import { equalBytes } from '../base/bytes.ts';
import { bigUint, bytes, struct } from '../rlp/index.ts';

/** Checksum of the forks passed and the next fork known, 0 for none (EIP-2124, "Specification"). */
export interface ForkId {
  /** 4 bytes. */
  readonly hash: Uint8Array;
  /** A block number or a timestamp, 64 bits. */
  readonly next: bigint;
}

/** `[FORK_HASH, FORK_NEXT]`. */
export const forkIdCodec = struct({ hash: bytes(4), next: bigUint(64) });

/** When a chain's rules change. Order and repetition do not matter; what holds at genesis is no fork. */
export interface ForkSchedule {
  /** Block numbers. */
  readonly blocks: readonly (number | bigint)[];
  /** Unix seconds; all of these forks come behind those by block (EIP-6122, "Additional rules"). */
  readonly times: readonly (number | bigint)[];
  /** Timestamp of the genesis block; default 0. */
  readonly genesisTime?: number | bigint;
}

/** How far the local chain is. */
export interface ForkHead {
  readonly number: number | bigint;
  /** Unix seconds. */
  readonly timestamp: number | bigint;
}

export type ForkIdVerdict =
  | { readonly ok: true }
  | {
      readonly ok: false;
      /**
       * `remote-stale`: the remote side has not heard of a fork that is passed here.
       * `local-incompatible`: the chains differ, or this side has not heard of a fork that is passed there.
       */
      readonly reason: 'remote-stale' | 'local-incompatible';
    };

/**
 * A `next` above this, the timestamp of mainnet's genesis, is a timestamp. What is one, the field does not say;
 * go-ethereum and others draw the line here.
 */
const TIMESTAMP_FROM = 1_438_269_973n;

const OK: ForkIdVerdict = { ok: true };
const REMOTE_STALE: ForkIdVerdict = { ok: false, reason: 'remote-stale' };
const LOCAL_INCOMPATIBLE: ForkIdVerdict = { ok: false, reason: 'local-incompatible' };

/** The fork id that a node announces whose chain ends with the block `headNumber` of time `headTime`. */
export function forkId(
  genesisHash: Uint8Array,
  schedule: ForkSchedule,
  headNumber: number | bigint,
  headTime: number | bigint,
): ForkId {
  const { blocks, forks, sums } = checksums(genesisHash, schedule);
  const passed = passedForks(blocks, forks, BigInt(headNumber), BigInt(headTime));
  return { hash: sums[passed] ?? genesisHash.subarray(0, 4), next: forks[passed] ?? 0n };
}

/**
 * The check of remote fork ids against the local chain (EIP-2124, "Validation rules"; EIP-6122). `head` is asked
 * at every check.
 */
export function forkFilter(
  genesisHash: Uint8Array,
  schedule: ForkSchedule,
  head: () => ForkHead,
): (remote: ForkId) => ForkIdVerdict {
  const { blocks, forks, sums } = checksums(genesisHash, schedule);
  return (remote) => {
    const local = head();
    const number = BigInt(local.number);
    const time = BigInt(local.timestamp);
    const passed = passedForks(blocks, forks, number, time);
    const known = sums.findIndex((sum) => equalBytes(sum, remote.hash));
    if (known < 0) return LOCAL_INCOMPATIBLE; // rule 4
    if (known > passed) return OK; // rule 3
    if (known < passed) return forks[known] === remote.next ? OK : REMOTE_STALE; // rule 2
    if (remote.next === 0n) return OK; // rule 1b
    const byBlock = passed < blocks || blocks === forks.length;
    const passedHere =
      (byBlock ? number : time) >= remote.next || (remote.next > TIMESTAMP_FROM && time >= remote.next);
    return passedHere ? LOCAL_INCOMPATIBLE : OK; // rules 1a, 1b
  };
}

/** Number of leading `forks` that are passed; the first `blocks` of them go by block number. */
function passedForks(blocks: number, forks: readonly bigint[], number: bigint, time: bigint): number {
  const pending = forks.findIndex((fork, i) => (i < blocks ? number : time) < fork);
  return pending < 0 ? forks.length : pending;
}

/** The forks in their order, how many go by block, and the checksum before the first and after each. */
function checksums(
  genesisHash: Uint8Array,
  schedule: ForkSchedule,
): { blocks: number; forks: readonly bigint[]; sums: readonly Uint8Array[] } {
  const byBlock = ascending(schedule.blocks, 0n);
  const forks = [...byBlock, ...ascending(schedule.times, BigInt(schedule.genesisTime ?? 0))];
  let crc = crc32(0, genesisHash);
  const sums = [bigEndian(BigInt(crc), 4)];
  for (const fork of forks) {
    crc = crc32(crc, bigEndian(fork, 8));
    sums.push(bigEndian(BigInt(crc), 4));
  }
  return { blocks: byBlock.length, forks, sums };
}

function ascending(values: readonly (number | bigint)[], above: bigint): bigint[] {
  const distinct = new Set(values.map((value) => BigInt(value)).filter((value) => value > above));
  return [...distinct].sort((a, b) => (a < b ? -1 : 1));
}

function bigEndian(value: bigint, length: number): Uint8Array {
  const result = new Uint8Array(length);
  for (let i = length - 1, rest = value; i >= 0; i--, rest >>= 8n) result[i] = Number(rest & 0xffn);
  return result;
}

/** IEEE CRC-32 continued from `crc`. `zlib.crc32` is not in Node 20. */
function crc32(crc: number, data: Uint8Array): number {
  let sum = ~crc;
  for (const byte of data) {
    sum ^= byte;
    for (let bit = 0; bit < 8; bit++) sum = (sum >>> 1) ^ (sum & 1 ? 0xedb88320 : 0);
  }
  return ~sum >>> 0;
}
