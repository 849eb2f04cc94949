/** Node discovery v5.1 (discv5-wire.md, discv5-theory.md), as a machine. */
export { HANDSHAKE_TIMEOUT_MS, MAX_CHALLENGED } from './challenges.ts';
export type { Discv5Crypto } from './crypto.ts';
export { lookupDistances, MAX_DISTANCE } from './distances.ts';
export type { Discv5DropReason } from './drop-reason.ts';
export { Discv5Engine, type Discv5Host, type Discv5Options, type Discv5Reception } from './engine.ts';
export type { Discv5Event, Discv5Sizes, Discv5Stats } from './events.ts';
export { type Identity, identityOf } from './handshake.ts';
export type { KnownRates } from './known-limit.ts';
export type { RecordReader } from './known-records.ts';
export { DEFAULT_DISCV5_LIMITS, type Discv5Limits } from './limits.ts';
export { type Discv5MessageKind, decodeMessage, encodeMessage, type Message } from './messages.ts';
export { MAX_PACKET_SIZE, MIN_PACKET_SIZE } from './packet.ts';
export type { Discv5Ping, Done } from './questions.ts';
export { REQUEST_TIMEOUT_MS, type RequestFailure } from './requests.ts';
export { MAX_TALK_RESPONSE, type TalkCall } from './responder.ts';
export { MAX_SESSIONS } from './sessions.ts';
export {
  type AdvertisementRun,
  type AdvertiserStats,
  F_LOOKUP,
  MAX_ADVERTISEMENTS,
  type TopicAnswerCounts,
  type TopicParameters,
  type TopicSearchRun,
  type TopicSource,
  type TopicStats,
  topicId,
  topicParameters,
} from './topics/index.ts';
