/** How much those who have sessions may have a node do. */
import { FairRate } from '../base/fair-rate.ts';
import { type Rate, RateLimit } from '../base/rate-limit.ts';
import { MAX_RATED, MAX_RATED_SUBNETS, type Origin, SharedRate } from '../kad/index.ts';
import type { Discv5MessageKind } from './messages.ts';

/** Messages of those who have sessions, but for answers to what we have asked. `costOf` says for how many one counts. */
export interface KnownRates {
  /** Of one endpoint, ... */
  readonly known: Rate;
  /** ... of all endpoints at one IP address (of IPv6 in a /48), of which one alone has half, here and below, ... */
  readonly knownIp: Rate;
  /** ... which may be more in a LAN, where many nodes may share one (on this machine each endpoint has its own), ... */
  readonly knownLocalIp: Rate;
  /** ... in one /24 or /48 that is not of a LAN or this machine, ... */
  readonly knownSubnet: Rate;
  /** ... and of all of them; where a message takes longer than 50 microseconds on average, so many fewer. */
  readonly allKnown: Rate;
}

/** What a question counts for whose answer is a choice of records, in up to five packets. Those for topics have limits of their own. */
const COSTLY_MESSAGE = 5;
/** Milliseconds that a message may take: where they take longer on average, each counts for as much more of what is for all. */
const MESSAGE_MS = 0.05;
/** More was not the message's doing: the system, or the collector of garbage, has had the thread. */
const MAX_MESSAGE_MS = 1;
/** Messages of which the average is. It is that of all, since who is kept waiting by the system has not sent more. */
const AVERAGED = 256;

/** For how many a message counts; without a kind it is none. */
export function costOf(kind: Discv5MessageKind | undefined): number {
  return kind === 'findNode' ? COSTLY_MESSAGE : 1;
}

export class KnownLimit {
  readonly #endpoint: RateLimit;
  readonly #ip: FairRate;
  readonly #localIp: FairRate;
  readonly #subnet: FairRate;
  readonly #all: SharedRate;
  /** How much longer than it may a message takes, on average. */
  #slowness = 1;

  constructor(rates: KnownRates) {
    this.#endpoint = new RateLimit(rates.known, MAX_RATED);
    this.#ip = new FairRate(rates.knownIp, MAX_RATED);
    this.#localIp = new FairRate(rates.knownLocalIp, MAX_RATED);
    this.#subnet = new FairRate(rates.knownSubnet, MAX_RATED);
    this.#all = new SharedRate(rates.allKnown, MAX_RATED_SUBNETS);
  }

  /** Endpoints, addresses and networks that are remembered. */
  get size(): number {
    return [this.#endpoint, this.#ip, this.#localIp, this.#subnet, this.#all].reduce(
      (sum, { size }) => sum + size,
      0,
    );
  }

  /**
   * Whether a packet is opened that may be of somebody with a session. It costs nobody anything: anybody can put the id and the
   * endpoint of somebody else on a packet.
   */
  admits(from: Origin, now: number): boolean {
    const { key, place, network } = from;
    return (
      this.#endpoint.allows(key, now) &&
      this.#ipOf(from).hasRoom(key, place, now) &&
      (network === undefined || this.#subnet.hasRoom(place, network, now)) &&
      this.#all.hasRoom(from, now)
    );
  }

  /** One has been opened, and what it asked for is done: it counts for so many, and took so many milliseconds. */
  spend(from: Origin, count: number, ms: number, now: number): void {
    const { key, place, network } = from;
    this.#endpoint.spend(key, count, now);
    this.#ipOf(from).take(key, place, count, now);
    if (network !== undefined) this.#subnet.take(place, network, count, now);
    const slowness = Math.min(ms, MAX_MESSAGE_MS) / (count * MESSAGE_MS);
    this.#slowness = Math.max(1, this.#slowness + (slowness - this.#slowness) / AVERAGED);
    this.#all.take(from, count * this.#slowness, now);
  }

  #ipOf({ network }: Origin): FairRate {
    return network === undefined ? this.#localIp : this.#ip;
  }
}
