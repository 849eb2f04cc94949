export { CLIENT_FAMILIES, type ClientFamily, clientFamily } from './client-family.ts';
export { CounterTable, OTHER } from './counter-table.ts';
export { type Exposition, type ExpositionFormat, expose, formatFor } from './exposition.ts';
export {
  Histogram,
  type HistogramSnapshot,
  histogramOf,
  LANE_COUNTS,
  REPUTATIONS,
  SECONDS,
} from './histogram.ts';
export {
  type CountedProtocol,
  type Direction,
  MAX_COUNTED_CODES,
  type MessageCount,
  MessageCounts,
  type RequestCount,
} from './message-counts.ts';
export type {
  Counts,
  DisconnectCount,
  DiscoveryMetrics,
  EventLoopMetrics,
  NodeMetrics,
  PeerCount,
  PeerDirection,
  ProtocolPeers,
  QueueMetrics,
  ServerMetrics,
  TopicMetrics,
  TransferMetrics,
} from './metrics.ts';
