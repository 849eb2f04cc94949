/** The options of a server, checked early and completed with named defaults. */
import { toBareHex } from '../base/bytes.ts';
import {
  checkEnv,
  checkFunction,
  checkInteger,
  checkNames,
  checkObject,
  invalidArgument as invalid,
  type NamesOf,
  readEach,
  reading,
} from '../base/checks.ts';
import { type Env, systemEnv } from '../base/env.ts';
import { PeerlaneError } from '../base/errors.ts';
import { detached } from '../base/observer.ts';
import { isValidSecretKey } from '../crypto/index.ts';
import type { Endpoint } from '../io/tcp.ts';
import { encodeHello, MAX_HELLO_SIZE, type Protocol } from '../p2p/index.ts';
import { type BandwidthOptions, MIN_BANDWIDTH, MIN_DOWNLOAD_OF_PEER } from './bandwidth.ts';
import { type GivenNode, parseBootnode, parseDialedNode, parseNode } from './bootnodes.ts';
import { isAllowed } from './dial-target.ts';
import {
  checkDiscoveryOptions,
  type DiscoveryConfig,
  type DiscoveryServerOptions,
} from './discovery-options.ts';
import type { ServerEvent } from './events.ts';
import { checkedListen } from './listen-endpoints.ts';
import { checkNatOptions, type NatConfig, type NatOptions } from './nat/options.ts';
import { type AddressRule, checkNetRestrict, type NetRestrictOptions } from './net-restrict.ts';
import type { NodeDatabase } from './node-db/index.ts';
import { checkProtocols } from './protocol-checks.ts';
import { defaultPolicy, type ReputationPolicy } from './reputation.ts';

export const DEFAULT_MAX_PEERS = 50;
export const DEFAULT_MAX_PENDING_PEERS = 50;
/** One slot in so many is for peers that we dial. */
export const DEFAULT_DIAL_RATIO = 3;
export const DEFAULT_CLIENT_ID = 'peerlane';
export const DIAL_TIMEOUT_MS = 15_000;
/**
 * What all peers together may make the server hold: unfinished frames, unread messages and output that they do
 * not take, in bytes; beside it, one message that goes beyond it in each direction.
 */
export const DEFAULT_MEMORY_BUDGET = 20 * 1024 * 1024;

const MAX_CLIENT_ID_LENGTH = 256;

export interface ServerOptions extends DiscoveryServerOptions, NetRestrictOptions, NatOptions {
  /** The node's secret key, 32 bytes. */
  readonly key: Uint8Array;
  /**
   * Where to listen: an IP address and a port (0: any free one), or two of these, one of IPv4 and one of IPv6. `{ host: '::' }` alone
   * takes both families. Absent: no inbound peers.
   */
  readonly listen?: Endpoint | readonly Endpoint[] | undefined;
  /**
   * The IP address at which others reach the server, or one of each family, for its record and its enode URLs; default: the one
   * that it listens on, or, where these are all, what enough nodes say that have answered its Pings.
   */
  readonly externalIp?: string | readonly string[] | undefined;
  /** The subprotocols that are offered; at least one. */
  readonly protocols: readonly Protocol[];
  /** What Hello says of this client; default `peerlane`. */
  readonly name?: string;
  /** Peers at a time, static ones not counted; default 50. */
  readonly maxPeers?: number;
  /** Connections at a time that have not become peers yet, in each direction; default 50. */
  readonly maxPendingPeers?: number;
  /**
   * A server dials at most `maxPeers / dialRatio` of its peers, static ones not counted; default 3. Where it has discovery or
   * bootnodes to choose from, so many slots are kept for those that it dials, and nodes that come in get the others.
   */
  readonly dialRatio?: number;
  /** enode URLs or records of nodes that discovery begins with; without it they are dialed while there are slots. */
  readonly bootnodes?: readonly string[];
  /** enode URLs or records of nodes that are kept connected, whatever the limits. */
  readonly staticNodes?: readonly string[];
  /** enode URLs or records of nodes that are let in whatever the limits; they are not dialed for that. */
  readonly trustedNodes?: readonly string[];
  /** Bytes that all peers together may make the server hold; default 20 MiB. */
  readonly memoryBudget?: number;
  /** How fast peers may be sent to and read from; default: as fast as it goes. */
  readonly bandwidth?: BandwidthOptions;
  /** Decides what follows from how a node behaves; default `defaultPolicy`. Static and trusted nodes are kept whatever it says. */
  readonly policy?: ReputationPolicy | undefined;
  /** Told what happens; for observation only. */
  readonly onEvent?: (event: ServerEvent) => void;
  /** Clock, timers and randomness; default the system's. */
  readonly env?: Env;
}

const OPTIONS: NamesOf<ServerOptions> = {
  key: true,
  listen: true,
  externalIp: true,
  protocols: true,
  name: true,
  maxPeers: true,
  maxPendingPeers: true,
  dialRatio: true,
  bootnodes: true,
  staticNodes: true,
  trustedNodes: true,
  netRestrict: true,
  netDeny: true,
  nat: true,
  stunServer: true,
  memoryBudget: true,
  bandwidth: true,
  policy: true,
  onEvent: true,
  env: true,
  discovery: true,
  discoveryPort: true,
  nodeDatabase: true,
};

export interface ServerConfig {
  readonly key: Uint8Array;
  /** None, one, or one of each family. */
  readonly listen: readonly Endpoint[];
  readonly externalIps: readonly string[];
  readonly nat: NatConfig;
  readonly protocols: readonly Protocol[];
  readonly name: string;
  readonly maxPeers: number;
  readonly maxPendingPeers: number;
  readonly maxDialedPeers: number;
  /** How many of `maxPeers` may be nodes that came in. */
  readonly maxInboundPeers: number;
  /** With discovery v4 or v5 each has a UDP port. */
  readonly bootnodes: readonly GivenNode[];
  readonly staticNodes: readonly GivenNode[];
  readonly trustedNodes: readonly GivenNode[];
  readonly netRestrict: readonly string[] | undefined;
  readonly netDeny: readonly string[];
  /** Whether the server has to do with an address, by the two. */
  readonly allows: AddressRule;
  readonly memoryBudget: number;
  readonly bandwidth: BandwidthOptions;
  readonly policy: ReputationPolicy;
  /** Undefined: off. */
  readonly discovery: DiscoveryConfig | undefined;
  readonly nodeDatabase: NodeDatabase | undefined;
  readonly onEvent: (event: ServerEvent) => void;
  readonly env: Env;
}

/** @throws PeerlaneError `invalid-argument`, `invalid-secret-key`, `invalid-enode`, `invalid-record`, `invalid-tree-url` */
export function checkServerOptions(options: ServerOptions): ServerConfig {
  return reading('the options of a server', () => checked(options));
}

function checked(options: ServerOptions): ServerConfig {
  checkNames('the options of a server', options, OPTIONS);
  const {
    key,
    listen: listenOption,
    externalIp,
    protocols,
    name = DEFAULT_CLIENT_ID,
    maxPeers = DEFAULT_MAX_PEERS,
    maxPendingPeers = DEFAULT_MAX_PENDING_PEERS,
    dialRatio = DEFAULT_DIAL_RATIO,
    bootnodes = [],
    staticNodes = [],
    trustedNodes = [],
    memoryBudget = DEFAULT_MEMORY_BUDGET,
    policy = defaultPolicy,
    onEvent = () => undefined,
    env = systemEnv,
  } = options;
  if (!(key instanceof Uint8Array) || !isValidSecretKey(key)) {
    throw new PeerlaneError('invalid-secret-key', 'options.key is not a secp256k1 secret key of 32 bytes');
  }
  const listen = listenOption === undefined ? [] : checkedListen(listenOption);
  if (typeof name !== 'string' || name === '' || name.length > MAX_CLIENT_ID_LENGTH) {
    throw invalid(`name must have 1 to ${MAX_CLIENT_ID_LENGTH} characters`);
  }
  checkProtocols(protocols);
  checkEnv(env);
  checkFunction('onEvent', onEvent);
  checkFunction('policy', policy);
  const hello = {
    version: 0,
    clientId: name,
    capabilities: protocols,
    listenPort: 65_535,
    id: new Uint8Array(64),
  };
  if (encodeHello(hello).length > MAX_HELLO_SIZE) {
    throw invalid(`name and protocols do not fit into a Hello of ${MAX_HELLO_SIZE} bytes`);
  }
  checkInteger('maxPeers', maxPeers, 1, 100_000);
  checkInteger('maxPendingPeers', maxPendingPeers, 1, 100_000);
  checkInteger('dialRatio', dialRatio, 1, 100_000);
  checkInteger('memoryBudget', memoryBudget, 1024 * 1024, Number.MAX_SAFE_INTEGER);
  const discovery = checkDiscoveryOptions(options, listen);
  const allows = checkNetRestrict(options);
  const places = discovery?.hasUdp ? discovery.listen : listen;
  const maxDialedPeers = Math.max(1, Math.floor(maxPeers / dialRatio));
  const parseJoined = discovery?.hasUdp ? parseBootnode : parseDialedNode;
  const joined = readEach('bootnodes', bootnodes, allowed(parseJoined, allows));
  const choosesPeers = discovery !== undefined || joined.length > 0;
  const named = {
    staticNodes: readEach('staticNodes', staticNodes, allowed(parseDialedNode, allows)),
    trustedNodes: readEach('trustedNodes', trustedNodes, allowed(parseNode, allows)),
  };
  return {
    key: key.slice(),
    listen,
    ...checkNatOptions(
      options,
      externalIp,
      places.map(({ host }) => host),
    ),
    protocols,
    name,
    maxPeers,
    maxPendingPeers,
    maxDialedPeers,
    maxInboundPeers: choosesPeers ? Math.max(1, maxPeers - maxDialedPeers) : maxPeers,
    bootnodes: joined,
    ...named,
    netRestrict: options.netRestrict?.slice(),
    netDeny: options.netDeny?.slice() ?? [],
    allows,
    memoryBudget,
    bandwidth: checkedBandwidth(options.bandwidth, { maxPeers, ...named }),
    policy,
    discovery,
    nodeDatabase: options.nodeDatabase,
    onEvent: detached(onEvent),
    env,
  };
}

/** Reads nodes that may be dialed, or come in: one at an address that is refused never would. */
function allowed(read: (text: string) => GivenNode, allows: AddressRule): (text: string) => GivenNode {
  return (text) => {
    const node = read(text);
    if (isAllowed(node, allows)) return node;
    throw invalid(`${node.host} is in a network that netRestrict or netDeny refuses`);
  };
}

const BANDWIDTH: NamesOf<BandwidthOptions> = {
  upload: true,
  uploadPerPeer: true,
  uploadGossip: true,
  download: true,
  downloadPerPeer: true,
};

function checkedBandwidth(
  bandwidth: BandwidthOptions = {},
  { maxPeers, staticNodes, trustedNodes }: Pick<ServerConfig, 'maxPeers' | 'staticNodes' | 'trustedNodes'>,
): BandwidthOptions {
  checkObject('bandwidth', bandwidth);
  checkNames('bandwidth', bandwidth, BANDWIDTH);
  const { upload, uploadPerPeer, uploadGossip, download, downloadPerPeer } = bandwidth;
  const limits = { upload, uploadPerPeer, uploadGossip, download, downloadPerPeer };
  for (const [name, rate] of Object.entries(limits)) {
    if (rate !== undefined) checkInteger(`bandwidth.${name}`, rate, MIN_BANDWIDTH, Number.MAX_SAFE_INTEGER);
  }
  // They are let in whatever `maxPeers` says.
  const beyond = new Set([...staticNodes, ...trustedNodes].map(({ publicKey }) => toBareHex(publicKey))).size;
  const least = (maxPeers + beyond) * MIN_DOWNLOAD_OF_PEER;
  if (download !== undefined && download < least) {
    const others = beyond === 0 ? '' : ` and ${beyond} static or trusted nodes`;
    throw invalid(
      `bandwidth.download is at least ${least} with maxPeers ${maxPeers}${others}, 16 KiB/s for each: nodes leave a peer that does not read`,
    );
  }
  return { ...limits };
}
