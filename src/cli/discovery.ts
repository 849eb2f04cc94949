/** What the commands share that find nodes. */
import type { Command } from 'commander';
import { PeerlaneError } from '../base/errors.ts';
import { MAX_TREES, parseTreeUrl } from '../dnsdisc/index.ts';
import { ethDiscovery } from '../eth/discovery.ts';
import type { ChainReader, EthNetwork } from '../eth/index.ts';
import { DnsResolver } from '../io/dns.ts';
import { parseBootnode } from '../server/bootnodes.ts';
import type { DiscoveryOptions, DiscoveryPart, ServerEvent } from '../server/index.ts';
import { checkedWith, collected, dnsServer, port } from './arguments.ts';
import { formatDuration, printable } from './format.ts';
import type { Output } from './output.ts';
import { DISCOVERY_VERSIONS, type VersionOptions, versionsOf, withVersions } from './versions.ts';

/** Characters of a failure: it may hold an enode URL. */
const MESSAGE_LIMIT = 600;

export interface FindOptions extends VersionOptions {
  readonly bootnode?: readonly string[];
  readonly dns?: readonly string[];
  readonly dnsServer?: readonly string[];
  readonly nodedb?: string;
  readonly discoveryPort?: number;
}

export const FIND_OPTIONS = [
  'bootnode',
  'dns',
  'dnsServer',
  'nodedb',
  'discoveryPort',
  'v4',
  'v5',
] as const satisfies readonly (keyof FindOptions)[];

/** Adds the options that say where nodes are found. */
export function withFindOptions(command: Command): Command {
  return withVersions(command, DISCOVERY_VERSIONS)
    .option(
      '--bootnode <node>',
      'enode URL or record of a node to find others from; may be repeated',
      collected(checkedWith(parseBootnode)),
    )
    .option('--dns <url>', 'enrtree:// URL of a list of nodes in DNS; may be repeated', collected(treeUrl))
    .option(
      '--dns-server <address>',
      'DNS server for --dns, with its port if it is not 53; may be repeated',
      collected(dnsServer),
    )
    .option('--nodedb <dir>', 'keep what is learned of nodes here, and begin with it')
    .option('--discovery-port <port>', 'UDP port of discovery; default: the TCP port, or any free one', port);
}

/** Ends the program when servers are named that nothing is asked of. */
export function requireUseOfDnsServer(
  command: Command,
  { dns, dnsServer }: Pick<FindOptions, 'dns' | 'dnsServer'>,
): void {
  if (dnsServer === undefined || dns !== undefined) return;
  command.error('error: --dns-server is for --dns: without it no DNS server is asked');
}

/** The text of an `enrtree://` URL, checked. */
export const treeUrl: (text: string) => string = checkedWith(parseTreeUrl);

/** Discovery of nodes of a chain. */
export function discoveryOf(
  options: FindOptions,
  network: EthNetwork,
  chain: Pick<ChainReader, 'head'>,
): DiscoveryOptions {
  const { dns = [], dnsServer: servers } = options;
  const versions = versionsOf(options, DISCOVERY_VERSIONS);
  if (dns.length > MAX_TREES) {
    throw new PeerlaneError('invalid-argument', `--dns may be given ${MAX_TREES} times`);
  }
  const resolver = servers === undefined ? undefined : new DnsResolver({ servers });
  const [v4, v5] = DISCOVERY_VERSIONS.map((version) => versions.includes(version));
  return { ...ethDiscovery({ network, chain }), v4, v5, dns, resolver };
}

/** Tells that a part of discovery has failed. */
export function reportDiscovery(output: Output, event: ServerEvent): void {
  if (event.kind === 'discovery-failed') reportFailed(output, event);
}

/** What of discovery has failed: a part of a server, or the node that is looked for. */
export interface DiscoveryFailure {
  readonly part: DiscoveryPart | 'node';
  readonly error: PeerlaneError;
  /** Undefined: it is not tried again. */
  readonly retryInMs?: number | undefined;
}

/** Tells that a part of discovery has failed, and the others go on. */
export function reportFailed(output: Output, { part, error, retryInMs }: DiscoveryFailure): void {
  const { code, message } = error;
  const again = retryInMs === undefined ? '' : `; trying again in ${formatDuration(retryInMs / 1000)}`;
  const text = `discovery (${part}) failed: ${printable(message, MESSAGE_LIMIT)} (${code})${again}`;
  output.event('discovery-failed', { part, code, message, retryInMs }, text);
}
