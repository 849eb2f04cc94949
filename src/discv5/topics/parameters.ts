/**
 * What topic discovery is tuned by. Those of discv5-theory.md ("Parameters") have the names and values that they have
 * there; the rest bounds what others can make us keep or do, and is ours.
 */
import { checkInteger, checkNames, invalidArgument, type NamesOf } from '../../base/checks.ts';
import { MAX_TIMER_MS } from '../../base/env.ts';
import type { Rate } from '../../base/rate-limit.ts';
import { TABLE_NETWORK_LIMIT } from '../../kad/index.ts';
import type { KnownRates } from '../known-limit.ts';

/** Registrations that an advertiser wants in each bucket, pending ones included. */
export const K_REGISTER = 5;
/** Registrars of one bucket that a search asks. */
export const K_LOOKUP = 5;
/** Advertisements in an answer. */
export const F_RETURN = 10;
/** Distinct advertisers with which a search ends. */
export const F_LOOKUP = 30;
/** How long an advertisement is kept, in milliseconds. */
export const E: number = 15 * 60_000;
/** Advertisements that a registrar keeps. */
export const C = 1_000;
/** The exponent of occupancy in the waiting time. */
export const P_OCC = 10;
/** The safety constant in the waiting time. */
export const G = 1e-7;
/**
 * δ, which the text leaves open: milliseconds in which a ticket is good. Enough for a request that is lost twice, with a
 * handshake each time; clocks that differ by 500 millionths are half a second apart after E.
 */
export const DELTA = 10_000;

/** The parameters of the text that one node can choose, under the names of above. */
export interface TopicParameters {
  readonly kRegister: number;
  readonly kLookup: number;
  readonly fReturn: number;
  /** Milliseconds. */
  readonly e: number;
  readonly c: number;
  readonly pOcc: number;
  readonly g: number;
  /** Milliseconds. */
  readonly delta: number;
}

export const DEFAULT_PARAMETERS: TopicParameters = {
  kRegister: K_REGISTER,
  kLookup: K_LOOKUP,
  fReturn: F_RETURN,
  e: E,
  c: C,
  pOcc: P_OCC,
  g: G,
  delta: DELTA,
};

const NAMES: NamesOf<TopicParameters, unknown> = DEFAULT_PARAMETERS;

/** The defaults with some changed. @throws PeerlaneError `invalid-argument` */
export function topicParameters(changes: Partial<TopicParameters> = {}): TopicParameters {
  checkNames('the parameters of topic discovery', changes, NAMES);
  const chosen = Object.entries(changes).filter(([, value]) => value !== undefined);
  const all: TopicParameters = { ...DEFAULT_PARAMETERS, ...Object.fromEntries(chosen) };
  for (const name of ['kRegister', 'kLookup', 'fReturn'] as const) checkInteger(name, all[name], 1, 16);
  checkInteger('e', all.e, MIN_E, MAX_TIMER_MS);
  checkInteger('c', all.c, 1, 1_000_000);
  checkInteger('pOcc', all.pOcc, 1, 100);
  checkInteger('delta', all.delta, MIN_DELTA, all.e);
  // Zero would let whoever is like nobody else in without waiting, however full the cache is.
  if (!(typeof all.g === 'number' && all.g > 0 && all.g <= 1)) throw invalidArgument('g is above 0, up to 1');
  return all;
}

/** Levels of the tree of IPv4 addresses. */
export const IPV4_LEVELS = 32;
/**
 * Levels of the tree of IPv6 addresses. The text has 128; but the last 64 bits of an address are its owner's choice
 * (RFC 4291, section 2.5.1), so they would halve the score of whoever has a whole subnet.
 */
export const IPV6_LEVELS = 64;

/**
 * An attempt that has waited for so many times `e` begins anew. Waiting is saved up in tickets: without an end one
 * address could do so for days, and then fill most of a cache at once.
 */
export const MAX_WAITED_E = 8;
/** An advertisement is renewed no later than in this last part of its life: sooner where it takes long to be let in. */
export const RENEWAL_SHARE: number = 1 / 2;
/** Before so much of its life is over a registrar only says how much is left: a lost answer costs nothing. */
export const EARLIEST_RENEWAL: number = 1 / 10;
/**
 * Advertisements of one /24 (IPv6: /48) for a topic, whatever they have waited, as many as a bucket takes of it: waiting
 * times alone leave a network with many identities most of the places. A search takes no more of it from one answer.
 */
export const NETWORK_ADS_PER_TOPIC = 2;
/** The same of an IPv6 /32, which has 65,536 of those: as many as a table takes of it. */
export const WIDE_NETWORK_ADS_PER_TOPIC: number = TABLE_NETWORK_LIMIT;
/**
 * The part of the cache that advertisements of one host, which is an IPv4 address or an IPv6 /48, take for all topics: by waiting times
 * alone one with ever new topics has more, and others, who wait by how full the cache is, leave it while most is empty.
 */
export const HOST_ADS_SHARE: number = 1 / 20;
/** The part of what a search looks for that may be of one /24 (IPv6: /48), for it to ask on; and of one IPv6 /32. */
export const NETWORK_FOUND_SHARE: number = 1 / 3;
export const WIDE_NETWORK_FOUND_SHARE: number = 1 / 2;
/** Topics that have left the cache and whose lower bounds are kept for what they last, for each place in the cache. */
export const DEPARTED_PER_AD = 2;

/** Records that go with an answer to fill the other side's table: as many as in an answer to FINDNODE. */
export const MAX_AUXILIARY = 16;
/** Distances in a request: as many as records may come. */
export const MAX_TOPIC_DISTANCES = 16;

/**
 * Requests that a registrar answers. An advertiser asks for each topic every 7 minutes or so, a search once; of one address that has
 * many of both more come at once. What an answer takes is records to be chosen, and at most twelve packets.
 */
export const TOPIC_REQUEST_RATES: KnownRates = {
  known: { perSecond: 20, burst: 200 },
  // Each is no more than half of the next, so that one that floods leaves those beside it their part.
  knownIp: { perSecond: 40, burst: 400 },
  knownLocalIp: { perSecond: 40, burst: 400 },
  knownSubnet: { perSecond: 100, burst: 1_000 },
  allKnown: { perSecond: 1_000, burst: 1_000 },
};

/** A node is left alone after so many failures in a row. */
export const MAX_TOPIC_FAILURES = 2;
/** For how long at first, in milliseconds; then twice as long each time. */
export const EXCLUSION_MS: number = 5 * 60_000;
export const MAX_EXCLUSION_MS: number = 60 * 60_000;
/** Nodes whose failures are remembered, of all topics. */
export const MAX_EXCLUDED = 1_024;

/** Registrations of one topic that are under way at once. */
export const MAX_REGISTERING = 8;
/** An advertiser asks no sooner again, whatever a registrar tells it. Milliseconds. */
export const MIN_RETRY_MS = 1_000;
/** An advertisement is renewed no sooner, whatever its lifetime is said to be. Milliseconds. */
export const MIN_RENEWAL_MS = 30_000;
/** With less `E` an advertisement would be over before it may be renewed at half of its life, ... */
const MIN_E = 2 * MIN_RENEWAL_MS;
/** ... and with less δ a ticket before its advertiser asks again. */
const MIN_DELTA = 2 * MIN_RETRY_MS;
/** Tickets of one attempt, beside those that it has waited for: a registrar that gives ever more of them is given up. */
export const MAX_TICKETS = 32;
/**
 * Tickets that an attempt may have waited for in each `E`. While a cache fills, a wait that is over leaves another one of 15 to 45
 * seconds, for hours where many advertise the same.
 */
export const WAITED_TICKETS_PER_E = 64;
/** The longest ticket that is kept: with a record and all else it still fits into a packet. */
export const MAX_TICKET_LENGTH = 512;
/** Buckets in which no registrar was left are looked at again after so long. Milliseconds. */
export const PLACEMENT_CYCLE_MS = 60_000;
/** What is added to a wait, since clocks differ: a part of it, and milliseconds. */
export const WAIT_MARGIN = { share: 1 / 1_000, ms: 100 } as const;

/** Registrars that a search asks at once. */
export const SEARCH_ALPHA = 3;
/** Registrars that one search asks in all. */
export const MAX_SEARCH_ASKED = 256;
/** How often a search gives an advertiser again that is somewhere else by a newer record. */
export const MAX_FOUND_AGAIN = 2;

/** Topics that one node advertises. */
export const MAX_ADVERTISEMENTS = 64;
/** Requests of all of them that await their answers: the others of a node have room beside them. */
export const MAX_TOPIC_REQUESTS = 64;
/** Lookups of topics that are advertised, at a time; others come when the service table is filled the next time. */
export const MAX_TOPIC_LOOKUPS = 4;
/** A registration that has had no answer is sent once more: the ticket in it is good for a moment only. */
export const REGISTRATION_ATTEMPTS = 2;
/** How often a service table takes up what the ordinary one has come to know. Milliseconds. */
export const TABLE_FILL_MS = 5_000;
/**
 * A service table with fewer nodes is filled by a series of lookups, first of the topic: at once, then again after so long, and twice
 * as long each time. Milliseconds. A search that has asked fewer registrars makes such a series before it ends.
 */
export const FEW_REGISTRARS = 16;
export const TOPIC_LOOKUP_MS = 60_000;
export const MAX_TOPIC_LOOKUP_MS: number = 30 * 60_000;
/** Lookups of a series, one after another, while few registrars are known. */
export const SERIES_LOOKUPS = 8;
/** Those of them that are not of the topic, of all advertisements and searches of a node: four a minute. */
export const FURTHER_LOOKUPS: Rate = { perSecond: 1 / 15, burst: 16 };
/** Registrars that have answered are remembered for so long, in milliseconds, and so many of them. */
export const KNOWN_MS: number = 60 * 60_000;
export const MAX_KNOWN = 256;
/** How soon a node whose record names no place for itself looks again whether it does. Milliseconds. */
export const NO_PLACE_MS = 5_000;
