/** Changes of a record as they are written on the command line: `KEY=VALUE`. */
import { InvalidArgumentError } from 'commander';
import { fromHex } from '../base/bytes.ts';
import { isPeerlaneError } from '../base/errors.ts';
import { parseIpv4, parseIpv6 } from '../base/ip.ts';
import {
  type EntryChanges,
  type RecordForkId,
  TOPIC_DISCOVERY_KEYS,
  topicDiscoveryEntries,
} from '../enr/index.ts';
import { bytes, checkWellFormed, encode } from '../rlp/index.ts';
import { port } from './arguments.ts';

export interface Changes {
  readonly entries: EntryChanges;
  /** The RLP of each value; `undefined` takes an entry out. */
  readonly others: ReadonlyMap<string, Uint8Array | undefined>;
}

export const NO_CHANGES: Changes = { entries: {}, others: new Map() };

/** How to write a value of each entry that has a type. */
const READERS: { readonly [key: string]: (text: string) => EntryChanges } = {
  ip: (text) => ({ ip: ip(text) }),
  ip6: (text) => ({ ip6: ip6(text) }),
  tcp: (text) => ({ tcp: port(text) }),
  tcp6: (text) => ({ tcp6: port(text) }),
  udp: (text) => ({ udp: port(text) }),
  udp6: (text) => ({ udp6: port(text) }),
  eth: (text) => ({ eth: forkId(text) }),
  snap: (text) => ({ snap: yes(text) }),
  // Either name stands for both.
  ...Object.fromEntries(
    TOPIC_DISCOVERY_KEYS.map((key) => [key, (text: string) => topicDiscoveryEntries(version(text))]),
  ),
};

/**
 * Reads one more `KEY=VALUE`; without a value the entry is taken out. The value of a key without a known type is a
 * text, bytes after `0x`, or any RLP after `rlp:0x`.
 * @throws InvalidArgumentError
 */
export function change(text: string, before: Changes = NO_CHANGES): Changes {
  const at = text.indexOf('=');
  if (at < 1) throw new InvalidArgumentError('expected KEY=VALUE, or KEY= to take an entry out');
  const [key, value] = [text.slice(0, at), text.slice(at + 1)];
  if (key === 'id' || key === 'secp256k1')
    throw new InvalidArgumentError(`"${key}" follows from the key file`);
  if (!/^[\x21-\x7e]+$/.test(key)) throw new InvalidArgumentError('expected a key of ASCII characters');
  const read = Object.hasOwn(READERS, key) ? READERS[key] : undefined;
  if (read !== undefined) {
    const entries = value === '' ? without(key) : read(value);
    return { ...before, entries: { ...before.entries, ...entries } };
  }
  return { ...before, others: new Map(before.others).set(key, value === '' ? undefined : rlpOf(value)) };
}

function without(key: string): EntryChanges {
  const isTopicDiscovery = TOPIC_DISCOVERY_KEYS.some((name) => name === key);
  return isTopicDiscovery ? topicDiscoveryEntries(undefined) : { [key]: undefined };
}

export function ip(text: string): string {
  if (parseIpv4(text) === undefined) throw new InvalidArgumentError('expected an IPv4 address');
  return text;
}

export function ip6(text: string): string {
  if (parseIpv6(text) === undefined) throw new InvalidArgumentError('expected an IPv6 address');
  return text;
}

/** `HASH` or `HASH/NEXT`: 8 hexadecimal digits, and the block number or time of the next fork. */
export function forkId(text: string): RecordForkId {
  const parts = /^(?:0x)?([0-9a-fA-F]{8})(?:\/(\d{1,20}))?$/.exec(text);
  const next = BigInt(parts?.[2] ?? 0);
  if (parts?.[1] === undefined || next >= 2n ** 64n) {
    throw new InvalidArgumentError(
      'expected a fork id: 8 hexadecimal digits, and "/" and the next fork if there is one',
    );
  }
  return { hash: fromHex(parts[1]), next };
}

/** A sequence number of 64 bits. */
export function seq(text: string): bigint {
  const value = /^\d{1,20}$/.test(text) ? BigInt(text) : 2n ** 64n;
  if (value >= 2n ** 64n) throw new InvalidArgumentError('expected a number below 2^64');
  return value;
}

function version(text: string): number {
  const value = /^\d{1,10}$/.test(text) ? Number(text) : 2 ** 32;
  if (value >= 2 ** 32) throw new InvalidArgumentError('expected the number of a version');
  return value;
}

function yes(text: string): true {
  if (text !== 'true') throw new InvalidArgumentError('expected "true", or nothing to take the entry out');
  return true;
}

function rlpOf(value: string): Uint8Array {
  if (value.startsWith('rlp:')) {
    const encoded = hex(value.slice('rlp:'.length));
    try {
      checkWellFormed(encoded);
    } catch (error) {
      if (isPeerlaneError(error))
        throw new InvalidArgumentError(`what follows "rlp:" is not RLP: ${error.message}`);
      throw error;
    }
    return encoded;
  }
  return encode(bytes(), value.startsWith('0x') ? hex(value) : new TextEncoder().encode(value));
}

function hex(text: string): Uint8Array {
  if (!/^0x(?:[0-9a-fA-F]{2})*$/.test(text))
    throw new InvalidArgumentError('expected 0x and hexadecimal digits');
  return fromHex(text);
}
