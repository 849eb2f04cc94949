/** What an address is good for: the special-purpose registries of IANA, as rules for whom to believe what. */
import { type Cidr, inCidr, parseCidr } from './cidr.ts';
import { normalizeIp } from './ip.ts';

export type IpClass =
  /** All zeros: no address, or every address of this machine. */
  | 'unspecified'
  /** This machine. */
  | 'loopback'
  /** Private use (RFC 1918), unique local (RFC 4193) and site-local addresses (RFC 3879). */
  | 'private'
  | 'link-local'
  | 'multicast'
  /** No host's: "this network", 240.0.0.0/4 and the broadcast address. */
  | 'reserved'
  /** Set aside for something else than a node that is reached from everywhere. */
  | 'special'
  | 'global';

/**
 * Blocks and what they are; the longest prefix decides. From the IANA IPv4 and IPv6 Special-Purpose Address
 * Registries (RFC 6890), the column "Globally Reachable"; blocks without a value there, Teredo and 6to4, are
 * tunnels that have been given up. Multicast is of RFC 5771 and RFC 4291.
 */
const CLASSES: readonly (readonly [IpClass, readonly string[]])[] = [
  ['unspecified', ['0.0.0.0/32', '::/128']],
  ['loopback', ['127.0.0.0/8', '::1/128']],
  ['private', ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', 'fc00::/7', 'fec0::/10']],
  ['link-local', ['169.254.0.0/16', 'fe80::/10']],
  ['multicast', ['224.0.0.0/4', 'ff00::/8']],
  ['reserved', ['0.0.0.0/8', '240.0.0.0/4']],
  [
    'special',
    [
      '100.64.0.0/10', // shared by a provider's customers
      '192.0.0.0/24', // protocol assignments
      '192.0.2.0/24', // documentation
      '192.88.99.0/24', // 6to4 relays
      '198.18.0.0/15', // benchmarks
      '198.51.100.0/24', // documentation
      '203.0.113.0/24', // documentation
      '2001::/23', // protocol assignments, Teredo
      '2001:db8::/32', // documentation
      '2002::/16', // 6to4
      '3fff::/20', // documentation
    ],
  ],
  [
    'global',
    [
      '0.0.0.0/0',
      '192.0.0.9/32', // Port Control Protocol
      '192.0.0.10/32', // TURN
      // Of IPv6 only this much has been given out.
      '2000::/3',
      '2001:1::1/128', // Port Control Protocol
      '2001:1::2/128', // TURN
      '2001:1::3/128', // DNS-SD
      '2001:3::/32', // AMT
      '2001:4:112::/48', // AS112
      '2001:20::/28', // ORCHIDv2
      '2001:30::/28', // drones
    ],
  ],
];

const BLOCKS: readonly (readonly [Cidr, IpClass])[] = CLASSES.flatMap(([name, blocks]) =>
  blocks.map((block) => [parseCidr(block), name] as const),
).sort(([a], [b]) => b.bits - a.bits);
const IPV4_BLOCKS = BLOCKS.filter(([{ network }]) => network.length === 4);
const IPV6_BLOCKS = BLOCKS.filter(([{ network }]) => network.length === 16);

/**
 * The blocks that hold IPv4 addresses with this first byte, as a rule one: discovery asks of every node that it is told
 * of.
 */
const IPV4_BLOCKS_OF = Array.from({ length: 256 }, (_, first) => {
  const touching = IPV4_BLOCKS.filter(([{ network, bits }]) =>
    inCidr(Uint8Array.of(first, 0, 0, 0), {
      network: Uint8Array.of(network[0] ?? 0, 0, 0, 0),
      bits: Math.min(bits, 8),
    }),
  );
  // Behind the first that holds them all there is nothing to be found.
  return touching.slice(0, touching.findIndex(([{ bits }]) => bits <= 8) + 1);
});

/** The well-known prefix of translators to IPv4 (RFC 6052, section 2.1): the IPv4 address stands at the end. */
const TRANSLATED = parseCidr('64:ff9b::/96');

/**
 * The class of an address of either family.
 * @param address 4 or 16 bytes; one that is mapped into IPv6, or translated to IPv4, is what the IPv4 address is
 * @throws PeerlaneError `invalid-argument` for another length
 */
export function classOfIp(address: Uint8Array): IpClass {
  let normal = normalizeIp(address);
  // Else 64:ff9b::10.0.0.1 would lead into the network behind a translator.
  if (normal.length === 16 && inCidr(normal, TRANSLATED)) normal = normal.subarray(12);
  const blocks = normal.length === 4 ? (IPV4_BLOCKS_OF[normal[0] ?? 0] ?? []) : IPV6_BLOCKS;
  // A block of the first byte alone holds all that get here.
  if (normal.length === 4 && blocks.length === 1) return blocks[0]?.[1] ?? 'special';
  for (const [block, name] of blocks) if (inCidr(normal, block)) return name;
  return 'special';
}

export function isLoopback(address: Uint8Array): boolean {
  return classOfIp(address) === 'loopback';
}

/** Whether addresses of this class are of a local network: private, unique local or link-local. */
export const isLanClass = (name: IpClass): boolean => name === 'private' || name === 'link-local';

/** Whether one host can have an address of this class: nothing else is a node's, or comes from one. */
export const isHostClass = (name: IpClass): boolean =>
  name !== 'unspecified' && name !== 'multicast' && name !== 'reserved';

/** Whether addresses of this class are of this machine or a local network. */
export const isLocalClass = (name: IpClass): boolean => name === 'loopback' || isLanClass(name);

/** Whether the address is of a local network. */
export function isLan(address: Uint8Array): boolean {
  return isLanClass(classOfIp(address));
}

/** Whether the address is of this machine or a local network: whoever is there is let do more, and told more. */
export function isLocal(address: Uint8Array): boolean {
  return isLocalClass(classOfIp(address));
}

/** Whether one host can have the address. */
export function isHostAddress(address: Uint8Array): boolean {
  return isHostClass(classOfIp(address));
}

/** Whether the address can be reached from everywhere. */
export function isGlobal(address: Uint8Array): boolean {
  return classOfIp(address) === 'global';
}
