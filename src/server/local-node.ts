/** How a node names itself to others. */
import { parseIpv4, parseIpv6 } from '../base/ip.ts';
import { type EntryChanges, formatEnode } from '../enr/index.ts';
import type { Endpoint } from '../io/tcp.ts';

/** Where a node is reached, on its own machine, that listens on all addresses of a family. */
const LOOPBACK: ReadonlyMap<string, string> = new Map([
  ['0.0.0.0', '127.0.0.1'],
  ['::', '::1'],
]);

/** The enode URL of a node that listens at `endpoint`; of port 0 if it does not listen. */
export function localEnode(publicKey: Uint8Array, endpoint: Endpoint | undefined): string {
  const { host = '0.0.0.0', port = 0 } = endpoint ?? {};
  return formatEnode({ publicKey, host: LOOPBACK.get(host) ?? host, tcpPort: port, udpPort: 0 });
}

/** The entries of the record (EIP-778) of a node that listens at `endpoint`. */
export function endpointEntries({ host, port }: Endpoint): EntryChanges {
  // A host name, or an address that stands for all, is no address to be reached at.
  const ip = parseIpv4(host) !== undefined && !LOOPBACK.has(host) ? host : undefined;
  const ip6 = parseIpv6(host) !== undefined && !LOOPBACK.has(host) ? host : undefined;
  return { ip, ip6, ...(host.includes(':') ? { tcp6: port } : { tcp: port }) };
}
