/** What a node says of itself in numbers: plain data, as it is at one moment. */
import type { ClientFamily } from './client-family.ts';
import type { HistogramSnapshot } from './histogram.ts';
import type { Direction, MessageCount, RequestCount } from './message-counts.ts';

/** Counts by name; one that is not there is 0. */
export type Counts = Readonly<Record<string, number>>;

export interface PeerCount {
  readonly direction: PeerDirection;
  readonly client: ClientFamily;
  readonly count: number;
}

/** Peers that came in, or that we dialed. */
export type PeerDirection = 'inbound' | 'outbound';

export interface ProtocolPeers {
  readonly protocol: string;
  readonly version: number;
  readonly count: number;
}

export interface DisconnectCount {
  /** Who ended it; `network`: nobody said so, the connection broke. */
  readonly side: 'local' | 'remote' | 'network';
  /** Of the local side, and the network: an error code; of the remote one: a reason of Disconnect. */
  readonly reason: string;
  readonly count: number;
}

/** Bytes that sockets have brought or taken, and payloads in them, not compressed. */
export interface TransferMetrics {
  readonly wireBytes: number;
  readonly payloadBytes: number;
}

/** What waits, at this moment. */
export interface QueueMetrics {
  /** Dials under way. */
  readonly dials: number;
  /** Inbound connections that have not become peers yet. */
  readonly inbound: number;
  /** Connections whose sockets are open, peers included. */
  readonly connections: number;
  /** Connections that have something to decode or to encode. */
  readonly lanes: number;
  /** Bytes of frames that are not whole, and of messages that no handler has taken. */
  readonly inputBytes: number;
  readonly inputLimit: number;
  /** Bytes that were sent and not taken. */
  readonly outputBytes: number;
  readonly outputLimit: number;
}

/** Of topic discovery. */
export interface TopicMetrics {
  /** Advertisements that the node keeps for others, and of how many topics. */
  readonly ads: number;
  readonly topics: number;
  /** Requests of others, by what became of them. */
  readonly answers: Counts;
  /** Topics that the node advertises itself, and searches that somebody waits for. */
  readonly advertisements: number;
  readonly searches: number;
}

/** Of one version. */
export interface DiscoveryMetrics {
  /** Packets that were handled, by type; those with a bad signature, or that cannot be read, have none that could be believed. */
  readonly received: Counts;
  readonly dropped: Counts;
  /** By type; of v5 `whoareyou`, and `message` for all others. */
  readonly sent: Counts;
  readonly sentBytes: number;
  /** Nodes of the table, those of them that have passed a check, and those that wait for a place. */
  readonly tableEntries: number;
  readonly tableLive: number;
  readonly tableReplacements: number;
  /** Requests that await an answer. */
  readonly requests: number;
  /** Endpoints that have proved themselves, by v4, and sessions, by v5. */
  readonly proofs?: number;
  readonly sessions?: number;
  /** Of v5, where topics are not turned off. */
  readonly topics?: TopicMetrics;
}

/** By how many seconds the event loop was late, over the last 10 seconds or since it was last asked for. */
export interface EventLoopMetrics {
  readonly mean: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly max: number;
}

export interface ServerMetrics {
  /** Unix time, in milliseconds. */
  readonly at: number;
  readonly peers: readonly PeerCount[];
  readonly peersOfProtocol: readonly ProtocolPeers[];
  /** Dials that have begun, and how they ended: `connected`, or an error code; `remote-REASON` when the node refused. */
  readonly dials: number;
  readonly dialResults: Counts;
  /** Connections that came in, and those that did not become peers, by error code or `remote-REASON`. */
  readonly inbound: number;
  readonly inboundFailures: Counts;
  readonly disconnects: readonly DisconnectCount[];
  /** Seconds from the open socket to Hello. */
  readonly handshakeSeconds: Readonly<Record<PeerDirection, HistogramSnapshot>>;
  readonly transfer: Readonly<Record<Direction, TransferMetrics>>;
  readonly messages: readonly MessageCount[];
  readonly requests: readonly RequestCount[];
  readonly queues: QueueMetrics;
  /** Connections whose frames went through the crypto backend in one call. */
  readonly lanes: Readonly<Record<Direction, HistogramSnapshot>>;
  /** Undefined without discovery v4. */
  readonly discovery: DiscoveryMetrics | undefined;
  /** Undefined without discovery v5. */
  readonly discoveryV5: DiscoveryMetrics | undefined;
  /** Nodes of the node database; undefined without one. */
  readonly knownNodes: number | undefined;
  /** Of the nodes that are connected, 0 for one of which nothing is known. Undefined where nobody keeps it. */
  readonly reputations: HistogramSnapshot | undefined;
  /** Measured from the first time on that metrics are asked for; undefined where the clock is not the system's. */
  readonly eventLoopDelay: EventLoopMetrics | undefined;
}

/** Of a node that is not a whole server: what it has. */
export type NodeMetrics = Partial<ServerMetrics>;
