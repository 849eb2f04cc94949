/** The eth protocol (caps/eth.md), versions 68 and 69: messages, consensus objects, fork ids, and its handler. */
export { type Block, type BlockParts, blockCodec, joinBlock, splitBlock } from './block.ts';
export { type Body, bodyCodec, checkBody } from './body.ts';
export {
  announceBlocks,
  announceTransactions,
  broadcastBlockRangeUpdate,
  broadcastNewBlock,
  broadcastTransactions,
  type EthBroadcastResult,
} from './broadcast.ts';
export type { ChainHead, ChainReader } from './chain-reader.ts';
export {
  type EthDiscovery,
  type EthDiscoveryOptions,
  type EthRecord,
  ethDiscovery,
} from './discovery.ts';
export {
  type ForkHead,
  type ForkId,
  type ForkIdVerdict,
  type ForkSchedule,
  forkFilter,
  forkId,
  forkIdCodec,
} from './fork-id.ts';
export { type Genesis, parseGenesis } from './genesis.ts';
export type { ChainConfig } from './genesis-config.ts';
export { type Header, type HeaderInput, headerCodec, headerHash } from './header.ts';
export { type BlockId, MAX_TRANSACTIONS } from './message-codecs.ts';
export {
  answerTo,
  decodeMessage,
  type EncodedMessage,
  ETH_MESSAGES,
  ETH_VERSIONS,
  type EthMessage,
  type EthVersion,
  encodeMessage,
  encodeResponse,
  MAX_MESSAGE_SIZE,
  type MessageInputs,
  type MessageKind,
  type MessageName,
  type MessageRow,
  type MessageValues,
  messageRow,
  type NotificationName,
  type RequestName,
  type ResponseName,
  type ResponseOf,
} from './messages.ts';
export { type AnnouncedTransaction, MAX_ANNOUNCED } from './notifications.ts';
export type { EthPeer, HeadersRequest, PeerHead } from './peer.ts';
export { type NetworkPreset, PRESETS, type PresetName } from './presets.ts';
export { type EthOptions, ethProtocols, STATUS_TIMEOUT_MS } from './protocol.ts';
export {
  consensusReceiptCodec,
  consensusReceiptsCodec,
  type Log,
  logCodec,
  logsBloom,
  networkReceiptCodec,
  networkReceiptsCodec,
  type Receipt,
  type ReceiptInput,
  receiptEnvelope,
  toConsensusReceipts,
  toNetworkReceipts,
} from './receipt.ts';
export { REQUEST_TIMEOUT_MS, type RequestOptions } from './requester.ts';
export {
  MAX_PENDING_REQUESTS,
  MAX_REMEMBERED_IDS,
  RequestTracker,
  type TrackedRequest,
} from './requests.ts';
export {
  EMPTY_OMMERS_HASH,
  ommersHash,
  receiptsRoot,
  transactionsRoot,
  withdrawalsRoot,
} from './roots.ts';
export {
  type HeadersQuery,
  MAX_SERVED_BLOCKS,
  MAX_SERVED_TRANSACTIONS,
  type PooledTransactions,
  SOFT_RESPONSE_LIMIT,
  serveBlockBodies,
  serveBlockHeaders,
  servePooledTransactions,
  serveReceipts,
} from './serve.ts';
export type { EthHandlers } from './session.ts';
export {
  type BlockRange,
  checkBlockRange,
  type EthNetwork,
  type LocalStatus,
  localStatus,
  type Status,
  statusCheck,
} from './status.ts';
export { Transaction, TX_TYPE, transactionCodec } from './transaction.ts';
export {
  type AccessListTransaction,
  type BlobTransaction,
  type DynamicFeeTransaction,
  decodeTransaction,
  encodeTransaction,
  type LegacyTransaction,
  legacyChainId,
  type SetCodeTransaction,
  type TransactionFields,
} from './transaction-fields.ts';
export { type Withdrawal, withdrawalCodec } from './withdrawal.ts';
