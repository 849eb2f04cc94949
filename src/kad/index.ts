/** The Kademlia table and lookups (discv4.md, "Kademlia Table" and "Recursive Lookup"), without any packets. */

export {
  addressBytes,
  addressText,
  endpointKey,
  LOWEST_RELAYED_PORT,
  mayName,
  mayRelay,
  normalIp,
  placeOf,
  siteOf,
  subnetOf,
  type UdpEndpoint,
} from './address.ts';
export { BUCKET_SIZE, REPLACEMENTS } from './bucket.ts';
export { compareDistance, ID_LENGTH, logDistance } from './distance.ts';
export type { EngineHost } from './engine-host.ts';
export {
  BUCKET_NETWORK_LIMIT,
  NetworkCounts,
  type Networks,
  networksOf,
  TABLE_NETWORK_LIMIT,
} from './ip-limits.ts';
export { ALPHA, Lookup, type LookupOptions, MAX_ASKED, MAX_FOUND, MAX_PLACES } from './lookup.ts';
export {
  type FindNodeDone,
  type LookupRequests,
  LookupRun,
  type LookupRunContext,
  type LookupRunEvents,
} from './lookup-run.ts';
export {
  isAt,
  type KadNode,
  type KadNodeFields,
  kadNode,
  newestRecord,
  nodeOfRecord,
  nodeOfRecordAt,
  type OtherPlace,
  otherPlace,
  reachedNode,
  sameEndpoint,
} from './node.ts';
export { type Origin, originOf } from './origin.ts';
export { Places } from './places.ts';
export { MAX_REQUESTS, RequestRoom } from './request-room.ts';
export { FAST_CHECK_INTERVAL_MS, MAX_MISSES, SLOW_CHECK_INTERVAL_MS } from './revalidation.ts';
export { SharedRate } from './shared-rate.ts';
export {
  type Asked,
  type KnownAddresses,
  MAX_SILENT,
  MAX_UNANSWERED,
  MAX_UNANSWERED_OF_ADDRESS,
  SILENCE_MS,
  Silence,
} from './silence.ts';
export {
  MAX_RATED,
  MAX_RATED_SUBNETS,
  PlaceLimit,
  StrangerLimit,
  type StrangerRates,
} from './stranger-limit.ts';

export {
  type AddOutcome,
  type ClosestOptions,
  FEW_ENTRIES,
  MAX_REQUEST_FAILURES,
  Table,
  type TableOptions,
  type TableStats,
} from './table.ts';
export { TableView } from './table-view.ts';
export {
  EMPTY_REFRESH_INTERVAL_MS,
  FIRST_REFRESH_INTERVAL_MS,
  REFRESH_INTERVAL_MS,
  Upkeep,
  type UpkeepContext,
} from './upkeep.ts';
