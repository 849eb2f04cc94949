/** Topic discovery (discv5-theory.md, "Topic-based Service Discovery"), without any packets. docs/topics.md. */

export { type AdvertisementEvents, AdvertisementRun } from './advertisement-run.ts';
export {
  Advertiser,
  type AdvertiserOptions,
  type AdvertiserStats,
  type RegistrationToSend,
} from './advertiser.ts';
export { type AuxiliaryRequest, chooseAuxiliary } from './auxiliary.ts';
export { type TopicNode, takesPart } from './capability.ts';
export { Exclusions } from './exclusions.ts';
export {
  C,
  DEFAULT_PARAMETERS,
  DELTA,
  E,
  F_LOOKUP,
  F_RETURN,
  G,
  K_LOOKUP,
  K_REGISTER,
  MAX_ADVERTISEMENTS,
  MAX_TOPIC_REQUESTS,
  P_OCC,
  type TopicParameters,
  topicParameters,
} from './parameters.ts';
export {
  Registrar,
  type RegistrarOptions,
  type RegistrationOutcome,
  type RegistrationRequest,
} from './registrar.ts';
export type { Answer } from './registration.ts';
export { type QueryAnswer, type QueryToSend, Search, type SearchOptions } from './search.ts';
export { type TopicSearchEvents, TopicSearchRun } from './search-run.ts';
export { ServiceTable, type ServiceTableOptions } from './service-table.ts';
export { TopicHost, type TopicHostOptions } from './topic-host.ts';
export { type TopicSource, topicId } from './topic-id.ts';
export type { TopicAsker } from './topic-responder.ts';
export type { TopicAnswerCounts, TopicStats } from './topic-stats.ts';
