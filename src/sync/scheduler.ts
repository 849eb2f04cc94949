/**
 * Who is asked for what: pure functions over what is known of the peers and the units (headers or bodies) that
 * are wanted. Time is a number that the caller passes in.
 */

/** How long an answer should take: long enough that the round trip is small against it, short enough to adapt. */
const ROUND_MS = 500;
/** Against a peer with a long round trip: the answer takes at least this many of them. */
const ROUND_TRIPS = 3;
const MIN_TIMEOUT_MS = 2_000;
export const MAX_TIMEOUT_MS = 10_000;
/** An answer may take this many times as long as the peer's answers usually do. */
const TIMEOUT_FACTOR = 4;
/** Timeouts in a row after which a peer is given up. */
export const MAX_TIMEOUTS = 3;
/** A free peer is asked again for what another has owed for this long, when nothing else is wanted. */
const HEDGE_MS = 500;
/** Peers that may be asked for the same unit at once. */
const MAX_HOLDERS = 2;
/** Weight of the newest answer in the averages. */
const WEIGHT = 0.3;

export interface Limits {
  /** Units that a peer is asked for at first, and at most. */
  readonly startItems: number;
  readonly maxItems: number;
  /** Requests under way at one peer, so that it works while its last answer is on the way. */
  readonly inFlight: number;
  /** Whether the units of a request must follow one on another. */
  readonly contiguous: boolean;
}

/** What is known of a peer. */
export interface PeerRecord {
  readonly id: string;
  /** Units per millisecond; 0 while nothing was measured. */
  readonly rate: number;
  /** Milliseconds from request to answer: on average, and at best. */
  readonly roundTrip: number;
  readonly fastest: number;
  /** More units than this do not fit into its answers. */
  readonly ceiling: number;
  readonly inFlight: number;
  readonly lastAnswerAt: number;
  /** In a row. */
  readonly timeouts: number;
  /** It is not asked before. */
  readonly restUntil: number;
}

/** Something wanted. Units are listed in the order in which they are needed. */
export interface Unit {
  readonly number: number;
  /** Peers that are being asked for it. */
  readonly holders: readonly string[];
  /** When the last of them was asked. */
  readonly askedAt: number;
  /** Peers that do not have it. */
  readonly lackedBy: ReadonlySet<string> | undefined;
}

export interface Assignment {
  readonly peer: string;
  readonly numbers: readonly number[];
  readonly timeoutMs: number;
}

export interface Plan {
  readonly assignments: readonly Assignment[];
  /** When a new plan may give more, if nothing happens before. */
  readonly wakeAt: number | undefined;
}

export function newPeer(id: string, limits: Limits): PeerRecord {
  const measured = { rate: 0, roundTrip: 0, fastest: 0, ceiling: limits.maxItems, lastAnswerAt: 0 };
  return { id, ...measured, inFlight: 0, timeouts: 0, restUntil: 0 };
}

/** Units that the peer is asked for in one request. */
export function sizeFor(peer: PeerRecord, limits: Limits): number {
  if (peer.rate === 0) return Math.min(limits.startItems, peer.ceiling);
  const wanted = Math.round(peer.rate * Math.max(ROUND_MS, ROUND_TRIPS * peer.fastest));
  return Math.min(Math.max(1, wanted), peer.ceiling, limits.maxItems);
}

/** Milliseconds that the peer's answer is waited for. */
export function timeoutFor(peer: PeerRecord): number {
  if (peer.roundTrip === 0) return MAX_TIMEOUT_MS;
  return Math.min(Math.max(MIN_TIMEOUT_MS, TIMEOUT_FACTOR * peer.roundTrip), MAX_TIMEOUT_MS);
}

/** The requests to make now. Faster peers come first, and so get what is needed first. */
export function plan(
  now: number,
  peers: readonly PeerRecord[],
  units: readonly Unit[],
  limits: Limits,
): Plan {
  const assignments: Assignment[] = [];
  const taken = new Set<number>();
  const free = new Map<PeerRecord, number>();
  let wakeAt = Number.POSITIVE_INFINITY;
  for (const peer of [...peers].sort((a, b) => b.rate - a.rate)) {
    // One request is enough to get to know a peer.
    const room = (peer.rate === 0 ? 1 : limits.inFlight) - peer.inFlight;
    if (room <= 0) continue;
    if (peer.restUntil > now) wakeAt = Math.min(wakeAt, peer.restUntil);
    else free.set(peer, room);
  }
  while (free.size > 0) {
    for (const [peer, room] of free) {
      const size = sizeFor(peer, limits);
      let numbers = pick(units, size, limits, (unit) => {
        return unit.holders.length === 0 && !taken.has(unit.number) && !unit.lackedBy?.has(peer.id);
      });
      if (numbers.length === 0) {
        const owed = overdue(now, peer, units, taken);
        wakeAt = Math.min(wakeAt, owed.wakeAt);
        numbers = pick(owed.units, size, limits, () => true);
      }
      if (numbers.length > 0) {
        for (const number of numbers) taken.add(number);
        assignments.push({ peer: peer.id, numbers, timeoutMs: timeoutFor(peer) });
      }
      if (numbers.length === 0 || room === 1) free.delete(peer);
      else free.set(peer, room - 1);
    }
  }
  return { assignments, wakeAt: wakeAt === Number.POSITIVE_INFINITY ? undefined : wakeAt };
}

function pick(
  units: readonly Unit[],
  size: number,
  limits: Limits,
  wanted: (unit: Unit) => boolean,
): number[] {
  const numbers: number[] = [];
  for (const unit of units) {
    if (numbers.length === size) break;
    const last = numbers.at(-1);
    if (limits.contiguous && last !== undefined && Math.abs(last - unit.number) !== 1) break;
    if (wanted(unit)) numbers.push(unit.number);
    else if (limits.contiguous && last !== undefined) break;
  }
  return numbers;
}

/** What others owe for too long, and when more of it will be. */
function overdue(
  now: number,
  peer: PeerRecord,
  units: readonly Unit[],
  taken: ReadonlySet<number>,
): { readonly units: readonly Unit[]; readonly wakeAt: number } {
  const after = Math.max(HEDGE_MS, 2 * peer.roundTrip);
  let wakeAt = Number.POSITIVE_INFINITY;
  const owed = units.filter(({ number, holders, askedAt, lackedBy }) => {
    if (holders.length === 0 || holders.length >= MAX_HOLDERS || holders.includes(peer.id)) return false;
    if (taken.has(number) || lackedBy?.has(peer.id)) return false;
    if (now >= askedAt + after) return true;
    wakeAt = Math.min(wakeAt, askedAt + after);
    return false;
  });
  return { units: owed, wakeAt };
}

export function asked(peer: PeerRecord): PeerRecord {
  return { ...peer, inFlight: peer.inFlight + 1 };
}

/** The peer after a request that came to nothing and says nothing about it. */
export function released(peer: PeerRecord, restUntil: number = peer.restUntil): PeerRecord {
  return { ...peer, inFlight: peer.inFlight - 1, restUntil };
}

/** The peer after an answer with `delivered` of `asked` units to a request of `sentAt`. */
export function answered(
  peer: PeerRecord,
  { now, sentAt, asked, delivered }: { now: number; sentAt: number; asked: number; delivered: number },
  limits: Limits,
): PeerRecord {
  const roundTrip = Math.max(1, now - sentAt);
  // A request that waited behind another one took from that one's answer on.
  const took = Math.max(1, now - Math.max(sentAt, peer.lastAnswerAt));
  const rate = delivered / took;
  const isFirst = peer.roundTrip === 0;
  const blend = (old: number, value: number) => (isFirst ? value : old + WEIGHT * (value - old));
  const isShort = delivered < asked && delivered > 0;
  return {
    ...peer,
    inFlight: peer.inFlight - 1,
    rate: delivered === 0 ? peer.rate : peer.rate === 0 ? rate : peer.rate + WEIGHT * (rate - peer.rate),
    roundTrip: blend(peer.roundTrip, roundTrip),
    fastest: isFirst ? roundTrip : Math.min(peer.fastest, roundTrip),
    ceiling: isShort
      ? Math.max(1, Math.ceil(delivered * 1.25))
      : delivered === asked
        ? Math.min(limits.maxItems, Math.max(peer.ceiling, 2 * delivered))
        : peer.ceiling,
    lastAnswerAt: now,
    timeouts: 0,
  };
}

/** The peer after an answer that did not come in time. */
export function timedOut(peer: PeerRecord): PeerRecord {
  return { ...peer, inFlight: peer.inFlight - 1, rate: peer.rate / 2, timeouts: peer.timeouts + 1 };
}
