/** The options of a server's discovery, checked early and completed with named defaults. */
import {
  checkArray,
  checkBoolean,
  checkFunction,
  checkNames,
  checkPort,
  invalidArgument as invalid,
  isObject,
  type NamesOf,
  readEach,
} from '../base/checks.ts';
import type { TopicParameters } from '../discv5/index.ts';
import { MAX_TREES, parseTreeUrl, type Resolver } from '../dnsdisc/index.ts';
import {
  type EntryChanges,
  type NodeRecord,
  TOPIC_DISCOVERY_VERSION,
  topicDiscoveryEntries,
} from '../enr/index.ts';
import { DnsResolver, lookupHost } from '../io/dns.ts';
import type { Endpoint } from '../io/tcp.ts';
import type { HostLookup } from './bootnodes.ts';
import { checkedTopics, DEFAULT_TOPICS } from './discv5-options.ts';
import { reachesFromAny } from './listen-endpoints.ts';
import { EVERY_IPV4, isIpHost } from './listen-host.ts';
import { NodeDatabase } from './node-db/index.ts';

/** Where discovery listens when the server does not: as clients do, on all addresses. */
const ANYWHERE: readonly Endpoint[] = [{ host: EVERY_IPV4, port: 0 }];

export interface DiscoveryOptions {
  /** Discovery v4; default true. */
  readonly v4?: boolean | undefined;
  /** Discovery v5, on the same UDP socket; default: as `v4`. So `{ v4: false }` alone opens none. */
  readonly v5?: boolean | undefined;
  /**
   * Whether v5 takes part in topic discovery: keeps advertisements for others, and the record says so; without it `advertise` and
   * `search` of `discovery.v5` throw, too. An object has parameters that differ from those of the specification. Default: as `v5`.
   */
  readonly topics?: boolean | Partial<TopicParameters> | undefined;
  /** `enrtree://` URLs of node lists in DNS (EIP-1459): used at the start, and when nothing else finds nodes. */
  readonly dns?: readonly string[] | undefined;
  /** Looks TXT records up; default: the resolver of Node.js. */
  readonly resolver?: Resolver | undefined;
  /** Looks the host names of bootnodes up; default: as the system does, with an address that discovery reaches first. */
  readonly lookup?: HostLookup | undefined;
  /** Whether a node with this record is of use; one without a record is. Default: all are. */
  readonly accepts?: ((record: NodeRecord) => boolean) | undefined;
  /** Entries of the node's own record beside its endpoint; asked again at most once a second. */
  readonly recordEntries?: (() => EntryChanges) | undefined;
}

const OPTIONS: NamesOf<DiscoveryOptions> = {
  v4: true,
  v5: true,
  topics: true,
  dns: true,
  resolver: true,
  lookup: true,
  accepts: true,
  recordEntries: true,
};

/** The options of a server that have to do with discovery. */
export interface DiscoveryServerOptions {
  /** Finds nodes, and dials them while there are slots; default: off. */
  readonly discovery?: boolean | DiscoveryOptions | undefined;
  /**
   * The UDP port of discovery, at each address of `listen`; default the TCP port in use there, or any free one without `listen`; 0: any
   * free one. Only with discovery v4 or v5.
   */
  readonly discoveryPort?: number | undefined;
  /** Where discovery begins, and what is learned of nodes is written; it is not closed by the server. */
  readonly nodeDatabase?: NodeDatabase | undefined;
}

export interface DiscoveryConfig {
  readonly v4: boolean;
  readonly v5: boolean;
  /** Whether one of them runs. */
  readonly hasUdp: boolean;
  /** `false`: v5 takes no part in the discovery of topics. */
  readonly topics: TopicParameters | false;
  readonly dns: readonly string[];
  readonly resolver: Resolver;
  readonly lookup: HostLookup;
  readonly accepts: ((record: NodeRecord) => boolean) | undefined;
  /** Entries of the record that say what discovery takes part in. */
  readonly fixedEntries: EntryChanges;
  readonly recordEntries: () => EntryChanges;
  /** Where discovery listens; port 0: the TCP port that the system chooses, and where that is taken for UDP, any other. */
  readonly listen: readonly Endpoint[];
  /** The UDP port, unless it is that of TCP. */
  readonly port: number | undefined;
}

/** @throws PeerlaneError `invalid-argument`, `invalid-tree-url` */
export function checkDiscoveryOptions(
  { discovery = false, discoveryPort, nodeDatabase }: DiscoveryServerOptions,
  tcp: readonly Endpoint[],
): DiscoveryConfig | undefined {
  if (nodeDatabase !== undefined && !(nodeDatabase instanceof NodeDatabase)) {
    throw invalid('nodeDatabase is no NodeDatabase');
  }
  if (discoveryPort !== undefined) checkPort('discoveryPort', discoveryPort);
  if (discovery === false) {
    if (discoveryPort === undefined) return undefined;
    throw invalid('discoveryPort is given, but discovery is off');
  }
  const options = discovery === true ? {} : discovery;
  if (!isObject(options)) throw invalid('discovery is neither a boolean nor an object of options');
  checkNames('discovery', options, OPTIONS);
  const listen = tcp.length === 0 ? ANYWHERE : tcp;
  const reaches = reachesFromAny(listen.map(({ host }) => host));
  const reached: HostLookup = (name, signal) => lookupHost(name, signal, reaches);
  const { v4 = true, v5 = v4, dns = [], resolver = new DnsResolver(), lookup = reached, accepts } = options;
  const { recordEntries = () => ({}), topics: wantedTopics = v5 && DEFAULT_TOPICS } = options;
  checkBoolean('discovery.v4', v4);
  checkBoolean('discovery.v5', v5);
  const topics = checkedTopics('discovery.topics', wantedTopics);
  if (topics !== false && !v5) throw invalid('discovery.topics is on, but discovery.v5 is off');
  const hasUdp = v4 || v5;
  if (!hasUdp && discoveryPort !== undefined) {
    throw invalid('discoveryPort is given, but discovery.v4 and discovery.v5 are off');
  }
  checkArray('discovery.dns', dns);
  if (dns.length > MAX_TREES) throw invalid(`discovery.dns has more than ${MAX_TREES} URLs`);
  readEach('discovery.dns', dns, parseTreeUrl);
  if (!isObject(resolver) || typeof resolver.resolveTxt !== 'function') {
    throw invalid('discovery.resolver is not an object with resolveTxt');
  }
  checkFunction('discovery.lookup', lookup);
  if (accepts !== undefined) checkFunction('discovery.accepts', accepts);
  checkFunction('discovery.recordEntries', recordEntries);
  if (hasUdp && !listen.every(({ host }) => isIpHost(host))) {
    throw invalid('with discovery, listen.host is an IP address');
  }
  const udp = { v4, v5, hasUdp, topics, listen, port: discoveryPort };
  const fixedEntries = topicDiscoveryEntries(topics === false ? undefined : TOPIC_DISCOVERY_VERSION);
  return { ...udp, dns: [...dns], resolver, lookup, accepts, fixedEntries, recordEntries };
}
