/** The entries of a record whose meaning is known: names, types, encodings (enr.md, "Record Structure"). */
import { PeerlaneError } from '../base/errors.ts';
import { formatIpv4, formatIpv6, parseIpv4, parseIpv6 } from '../base/ip.ts';
import { bigUint, bytes, type Codec, decode, encode, mapped, struct, text, uint } from '../rlp/index.ts';

/** The fork identifier of EIP-2124. */
export interface RecordForkId {
  /** 4 bytes. */
  readonly hash: Uint8Array;
  /** Block number or timestamp of the next fork; 0 if none is known. */
  readonly next: bigint;
}

export interface Entries {
  /** Name of the identity scheme. */
  readonly id: string;
  /** Compressed public key, 33 bytes. */
  readonly secp256k1: Uint8Array;
  /** Dotted quad. */
  readonly ip: string;
  /** IPv6 address in the form of RFC 5952. */
  readonly ip6: string;
  readonly tcp: number;
  readonly tcp6: number;
  readonly udp: number;
  readonly udp6: number;
  /** enr-entries/eth.md; further elements of the list are ignored. */
  readonly eth: RecordForkId;
  /** The node offers the snap protocol. */
  readonly snap: true;
  /** Version of topic discovery, under one of its names: see `TOPIC_DISCOVERY_KEYS`. */
  readonly ng: number;
  readonly 'topic-discovery': number;
}

export type EntryKey = keyof Entries;

function address(
  length: number,
  parse: (text: string) => Uint8Array | undefined,
): (text: string) => Uint8Array {
  return (text) => {
    const parsed = typeof text === 'string' ? parse(text) : undefined;
    if (parsed === undefined) {
      throw new PeerlaneError('invalid-argument', `not an address of ${length} bytes: ${String(text)}`);
    }
    return parsed;
  };
}

const port = uint(16);
/** enr-entries/ng.md names no width. */
const version = uint(32);

const CODECS: { readonly [K in EntryKey]: Codec<Entries[K]> } = {
  id: text(32),
  secp256k1: bytes(33),
  ip: mapped(bytes(4), formatIpv4, address(4, parseIpv4)),
  ip6: mapped(bytes(16), formatIpv6, address(16, parseIpv6)),
  tcp: port,
  tcp6: port,
  udp: port,
  udp6: port,
  // Doubly nested: the value is a list whose first element is the fork id.
  eth: mapped(
    struct({ forkId: struct({ hash: bytes(4), next: bigUint(64) }) }, { trailing: 'ignore' }),
    ({ forkId }): RecordForkId => forkId,
    (forkId) => ({ forkId }),
  ),
  snap: mapped(
    struct({}, { trailing: 'ignore' }),
    (): true => true,
    (value: true) => {
      if (value !== true)
        throw new PeerlaneError('invalid-argument', 'true expected: without snap there is no entry');
      return {};
    },
  ),
  ng: version,
  'topic-discovery': version,
};

export function isEntryKey(key: string): key is EntryKey {
  return typeof key === 'string' && Object.hasOwn(CODECS, key);
}

/** The RLP of an entry's value. @throws PeerlaneError `invalid-argument` and the codes of `rlp` */
export function encodeEntry<K extends EntryKey>(key: K, value: Entries[K]): Uint8Array {
  return encode<Entries[K], Entries[K]>(CODECS[key], value);
}

/** @throws PeerlaneError with a code of `rlp` if the value is not of the entry's type */
export function decodeEntry<K extends EntryKey>(key: K, encoded: Uint8Array): Entries[K] {
  return decode<Entries[K]>(CODECS[key], encoded);
}
