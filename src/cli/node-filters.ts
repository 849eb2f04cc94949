/** What a node of a set has to fulfil to stay in it. */
import { type Cidr, inCidr } from '../base/cidr.ts';
import { parseIp } from '../base/ip.ts';
import { NodeRecord } from '../enr/index.ts';
import { forkFilter, type NetworkPreset } from '../eth/index.ts';
import type { NodeSetEntry } from '../server/node-set.ts';

export type NodeFilter = (entry: NodeSetEntry) => boolean;

/** One of its addresses lies in the network. */
export function inNetwork(cidr: Cidr): NodeFilter {
  return ({ node }) => {
    const ips = node instanceof NodeRecord ? [node.get('ip'), node.get('ip6')] : [node.host];
    return ips.some((ip) => {
      const address = ip === undefined ? undefined : parseIp(ip);
      return address !== undefined && inCidr(address, cidr);
    });
  };
}

/** From its first answer to its last lie at least `ms` milliseconds. */
export function olderThan(ms: number): NodeFilter {
  return ({ firstResponse, lastResponse }) =>
    firstResponse !== undefined && lastResponse !== undefined && lastResponse - firstResponse >= ms;
}

/** Its record says that it follows the chain, however far. */
export function followsChain({ genesisHash, schedule }: NetworkPreset): NodeFilter {
  // At genesis, no fork of the chain is an unknown or a missed one.
  const head = { number: 0, timestamp: schedule.genesisTime ?? 0 };
  const check = forkFilter(genesisHash, schedule, () => head);
  return ({ node }) => {
    const forkId = node instanceof NodeRecord ? node.get('eth') : undefined;
    return forkId !== undefined && check(forkId).ok;
  };
}

export const offersSnap: NodeFilter = ({ node }) =>
  node instanceof NodeRecord && node.get('snap') !== undefined;
