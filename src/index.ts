/**
 * peerlane: the peer-to-peer stack of Ethereum. The parts that stand alone have entries of their own:
 * `peerlane/crypto`, `/rlp`, `/enr`, `/dnsdisc`, `/rlpx` and `/eth`. The types that classes take and give are
 * exported beside them.
 */
export { type Env, systemEnv, type Timer } from './base/env.ts';
export type { ErrorDetails, Penalty } from './base/errors.ts';
export {
  CONSEQUENCES,
  type Consequence,
  consequenceOf,
  type DisconnectReasonName,
  type ErrorCode,
  isPeerlaneError,
  PeerlaneError,
} from './base/errors.ts';
export type { KeyValueStore, KvChange, KvEntry, ScannableStore } from './base/kv.ts';
export type { Rate } from './base/rate-limit.ts';
export { REPUTATION_EVENTS, type ReputationEventKind } from './base/reputation-events.ts';
export { VirtualEnv } from './base/virtual-env.ts';
export type { AddonFile } from './crypto/addon-file.ts';
export { backend, generateSecretKey, publicKeyOf } from './crypto/index.ts';
export type { Discv4Event, Discv4Stats, DropReason } from './discv4/events.ts';
export type { ClockSkew } from './discv4/index.ts';
export type { IntakeLimits } from './discv4/intake.ts';
export type { WireEndpoint } from './discv4/messages.ts';
export type { PacketName } from './discv4/packet.ts';
export type { PingResult } from './discv4/pending.ts';
export type {
  Discv5DropReason,
  Discv5Event,
  Discv5Limits,
  Discv5MessageKind,
  Discv5Ping,
  Discv5Stats,
  KnownRates,
  TopicAnswerCounts,
  TopicParameters,
  TopicSource,
  TopicStats,
} from './discv5/index.ts';
export { type AdvertiserStats, topicId } from './discv5/index.ts';
export type { Resolver } from './dnsdisc/index.ts';
export { type Enode, formatEnode, parseEnode } from './enr/index.ts';
export {
  type ChainReader,
  type EthOptions,
  type EthPeer,
  ethDiscovery,
  ethProtocols,
  type Genesis,
  PRESETS,
  parseGenesis,
} from './eth/index.ts';
export type { ServeOptions } from './eth/serve.ts';
export type { Awaitable } from './eth/session.ts';
export type { DnsResolverOptions } from './io/dns.ts';
export { DnsResolver } from './io/dns.ts';
export type { Endpoint } from './io/tcp.ts';
export type { UdpOptions } from './io/udp.ts';
export type { KadNode, StrangerRates } from './kad/index.ts';
export type { ClosestOptions, TableStats } from './kad/table.ts';
export type { TableView } from './kad/table-view.ts';
export type { MappedProtocol, NatMethodName } from './nat/index.ts';
export type {
  ClientFamily,
  Counts,
  Direction,
  DisconnectCount,
  DiscoveryMetrics,
  EventLoopMetrics,
  HistogramSnapshot,
  MessageCount,
  NodeMetrics,
  PeerCount,
  PeerDirection,
  ProtocolPeers,
  QueueMetrics,
  RequestCount,
  ServerMetrics,
  TopicMetrics,
  TransferMetrics,
} from './observe/index.ts';
export {
  type Capability,
  DISCONNECT_REASONS,
  type Message,
  type PayloadView,
  type PeerInfo,
  type Protocol,
  type ProtocolChannel,
} from './p2p/index.ts';
export type { MessagePriority } from './p2p/outbox.ts';
export type { HostLookup } from './server/bootnodes.ts';
export type { CallOptions } from './server/discovery-calls.ts';
export type { DiscoveryServerOptions } from './server/discovery-options.ts';
export type {
  Ban,
  BanKind,
  BanOptions,
  CrawlService,
  CrawlStats,
  DialResult,
  DiscoveryPart,
  Discv4ServiceEvent,
  Discv5ServiceEvent,
  NatEvent,
  NatOption,
  NatOptions,
  NetRestrictOptions,
  NodeDatabaseEvent,
  NodePatch,
  NodeSource,
  NodeSourceName,
  ServerDiscv5,
  StoredNode,
} from './server/index.ts';
export {
  Advertisement,
  type BandwidthOptions,
  type Broadcast,
  type BroadcastResult,
  Crawler,
  type CrawlerOptions,
  type Diagnosis,
  Discovery,
  type DiscoveryOptions,
  Discv4Service,
  type Discv4ServiceOptions,
  Discv5Service,
  type Discv5ServiceOptions,
  defaultPolicy,
  type Finding,
  type FindingKind,
  type FoundNode,
  formatNodeSet,
  MetricsEndpoint,
  type MetricsSource,
  type MetricsStreamOptions,
  NodeDatabase,
  type NodeDatabaseOptions,
  type NodeHello,
  type NodeLogEntry,
  type NodeLogKind,
  type NodeLogNote,
  type NodeSet,
  type NodeSetEntry,
  Peer,
  type PingOptions,
  parseNodeSet,
  type ReplayedEvent,
  type ReputationDecision,
  type ReputationEvent,
  type ReputationHistory,
  type ReputationPolicy,
  replayPolicy,
  type ServeMetricsOptions,
  Server,
  type ServerEvent,
  type ServerNames,
  type ServerOptions,
  type ServiceEvent,
  type ServiceOptions,
  SharedUdp,
  serveMetrics,
  type TalkHandler,
  type TalkSender,
  type TopicSearchOptions,
  type UdpListen,
} from './server/index.ts';
export type { HistoryPatch } from './server/node-db/history.ts';
export type { NodeFacts } from './server/node-db/stored-node.ts';
export type { ImportOptions, ImportProgress } from './sync/import-chain.ts';
export {
  type BlockSource,
  ChainStore,
  Downloader,
  type DownloaderOptions,
  type DownloadSummary,
  defaultStages,
  importChain,
  peerSource,
  type Stage,
  type StageContext,
  type StageProgress,
  type StageResult,
  type Target,
} from './sync/index.ts';
export type { PendingHeaders, StoredHeader } from './sync/records.ts';
export type { HeadersRequest, SourceHead, SourceSet } from './sync/source.ts';
export type { BlockEntry, BodyEntry, HeaderEntry, HeaderLinks, StoreGenesis } from './sync/store-state.ts';
export { VERSION } from './version.ts';
