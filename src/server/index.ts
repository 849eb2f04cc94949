export { Advertisement } from './advertisement.ts';
export type { Ban, BanKind } from './ban-codec.ts';
export type { BandwidthOptions } from './bandwidth.ts';
export type { BanOptions } from './bans.ts';
export type { Broadcast, BroadcastResult } from './broadcast.ts';
export {
  DEFAULT_DIAL_RATIO,
  DEFAULT_MAX_PEERS,
  DEFAULT_MAX_PENDING_PEERS,
  DEFAULT_MEMORY_BUDGET,
  type ServerOptions,
} from './config.ts';
export type { CrawlStats } from './crawl-checks.ts';
export type { CrawlerOptions, CrawlService } from './crawl-options.ts';
export { Crawler } from './crawler.ts';
export type { Diagnosis } from './diagnosis.ts';
export type { Finding, FindingKind } from './diagnosis-facts.ts';
export type { DialOutcome } from './dial-backoff.ts';
export {
  type DialCandidate,
  type DialPlan,
  type DialRound,
  planDials,
  REDIAL_INTERVAL_MS,
} from './dial-plan.ts';
export { Discovery, type ServerDiscv5 } from './discovery.ts';
export type { CallOptions, PingOptions } from './discovery-calls.ts';
export type { DiscoveryOptions } from './discovery-options.ts';
export type { Discv4ServiceEvent, Discv4ServiceOptions } from './discv4-options.ts';
export { Discv4Service } from './discv4-service.ts';
export type { Discv5ServiceEvent, Discv5ServiceOptions } from './discv5-options.ts';
export { DEFAULT_TOPICS } from './discv5-options.ts';
export { Discv5Service } from './discv5-service.ts';
export type { DiscoveryPart, ServerEvent, ServerNames } from './events.ts';
export type { MetricsStreamOptions } from './metrics-stream.ts';
export type { NatEvent } from './nat/node-nat.ts';
export type { NatOption, NatOptions } from './nat/options.ts';
export type { NetRestrictOptions } from './net-restrict.ts';
export {
  type DialResult,
  NodeDatabase,
  type NodeDatabaseEvent,
  type NodeDatabaseOptions,
  type NodePatch,
  type StoredNode,
} from './node-db/index.ts';
export type { NodeHello } from './node-hello.ts';
export type { NodeLogEntry, NodeLogKind, NodeLogNote } from './node-logs.ts';
export type { FoundNode, NodeSourceName } from './node-mix.ts';
export { formatNodeSet, type NodeSet, type NodeSetEntry, parseNodeSet } from './node-set.ts';
export { Peer } from './peer.ts';
export {
  defaultPolicy,
  type ReplayedEvent,
  type ReputationDecision,
  type ReputationEvent,
  type ReputationHistory,
  type ReputationPolicy,
  replayPolicy,
} from './reputation.ts';
export {
  MetricsEndpoint,
  type MetricsSource,
  type ServeMetricsOptions,
  serveMetrics,
} from './serve-metrics.ts';
export { Server } from './server.ts';
export type { NodeSource, ServiceEvent, ServiceOptions } from './service-options.ts';
export type { TopicSearchOptions } from './service-topics.ts';
export { SharedUdp, type UdpListen } from './shared-udp.ts';
export type { TalkHandler, TalkSender } from './talk.ts';
