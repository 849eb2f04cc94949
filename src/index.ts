/**
 * peerlane: the peer-to-peer stack of Ethereum. The parts that stand alone have entries of their own:
 * `peerlane/crypto`, `/rlp`, `/enr`, `/dnsdisc`, `/rlpx` and `/eth`.
 */
export { type Env, systemEnv, type Timer } from './base/env.ts';
export {
  CONSEQUENCES,
  type Consequence,
  consequenceOf,
  type DisconnectReasonName,
  type ErrorCode,
  isPeerlaneError,
  PeerlaneError,
} from './base/errors.ts';
export { VirtualEnv } from './base/virtual-env.ts';
export { backend, generateSecretKey, publicKeyOf } from './crypto/index.ts';
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
export { DnsResolver } from './io/dns.ts';
export type { Endpoint } from './io/tcp.ts';
export {
  type Capability,
  DISCONNECT_REASONS,
  type Message,
  type PayloadView,
  type PeerInfo,
  type Protocol,
  type ProtocolChannel,
} from './p2p/index.ts';
export {
  type Broadcast,
  type BroadcastResult,
  Crawler,
  type CrawlerOptions,
  Discovery,
  type DiscoveryOptions,
  Discv4Service,
  type Discv4ServiceOptions,
  type FoundNode,
  formatNodeSet,
  NodeDatabase,
  type NodeDatabaseOptions,
  type NodeHello,
  type NodeSet,
  type NodeSetEntry,
  Peer,
  type PingOptions,
  parseNodeSet,
  Server,
  type ServerEvent,
  type ServerOptions,
} from './server/index.ts';
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
export { VERSION } from './version.ts';
