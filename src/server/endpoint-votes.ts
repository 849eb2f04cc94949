/**
 * At which endpoint others see this node. A node that listens on all addresses, or behind a translator, does not know;
 * each Pong says where its Ping came from (discv4.md, "Pong Packet (0x02)"), and anybody may lie.
 */
import { formatIp, parseIp } from '../base/ip.ts';
import { classOfIp, type IpClass } from '../base/ip-class.ts';
import { networksOf } from '../kad/index.ts';

/** How long a statement counts: endpoints change, and mappings of translators end within minutes. */
export const VOTE_LIFETIME_MS = 5 * 60 * 1000;
/** So many networks, and more than all others together, must state a global endpoint; addresses cost an attacker. */
export const MIN_GLOBAL_VOTES = 10;
/** So many nodes, and more than all others together, must state another one: there, one host can be any number of nodes. */
export const MIN_LOCAL_VOTES = 3;
/** Votes of one family and reach; beyond it the oldest goes. */
export const MAX_VOTES = 256;

/** The classes of addresses that are believed, in the order of how far they reach. */
const REACHES: readonly IpClass[] = ['loopback', 'link-local', 'private', 'special', 'global'];
const GLOBAL = REACHES.indexOf('global');

/** An address, in any of its texts, and a UDP port. */
export interface StatedEndpoint {
  readonly ip: string | undefined;
  readonly udpPort: number;
}

/** The address in canonical text: a dotted quad, or the form of RFC 5952. */
export interface PredictedEndpoint {
  readonly ip: string;
  readonly udpPort: number;
}

export type IpFamily = 4 | 6;

interface Located extends PredictedEndpoint {
  readonly family: IpFamily;
  readonly reach: number;
}

/** A place where one host can be; `undefined` for any other. */
function located({ ip, udpPort }: StatedEndpoint): Located | undefined {
  const address = ip === undefined ? undefined : parseIp(ip);
  if (address === undefined || !Number.isInteger(udpPort) || udpPort < 1 || udpPort > 65_535)
    return undefined;
  const reach = REACHES.indexOf(classOfIp(address));
  if (reach < 0) return undefined;
  return { ip: formatIp(address), udpPort, family: address.length === 4 ? 4 : 6, reach };
}

const keyOf = ({ ip, udpPort }: PredictedEndpoint): string => `${ip} ${udpPort}`;

/** The votes for addresses of one family and reach, one of each voter, the oldest first. */
class Ballot {
  readonly #votes = new Map<string, { readonly endpoint: string; readonly at: number }>();
  readonly #counts = new Map<string, number>();

  get size(): number {
    return this.#votes.size;
  }

  expire(now: number): void {
    for (const [voter, { at }] of this.#votes) {
      if (now - at < VOTE_LIFETIME_MS) return;
      this.#remove(voter);
    }
  }

  /** The latest vote of a voter is the one that counts. @returns how many state that endpoint now */
  add(voter: string, endpoint: string, at: number): number {
    this.#remove(voter);
    this.#votes.set(voter, { endpoint, at });
    const count = (this.#counts.get(endpoint) ?? 0) + 1;
    this.#counts.set(endpoint, count);
    const oldest = this.#votes.size > MAX_VOTES ? this.#votes.keys().next().value : undefined;
    if (oldest !== undefined) this.#remove(oldest);
    return this.#counts.get(endpoint) ?? 0;
  }

  #remove(voter: string): void {
    const vote = this.#votes.get(voter);
    if (vote === undefined) return;
    this.#votes.delete(voter);
    const count = this.#counts.get(vote.endpoint) ?? 0;
    if (count > 1) this.#counts.set(vote.endpoint, count - 1);
    else this.#counts.delete(vote.endpoint);
  }
}

interface FamilyState {
  /** By reach. */
  readonly ballots: readonly Ballot[];
  prediction: Located | undefined;
}

const newFamily = (): FamilyState => ({ ballots: REACHES.map(() => new Ballot()), prediction: undefined });

/**
 * Predicts the external endpoint of each family from what nodes state that have answered a Ping. A prediction stays
 * until another one has a majority: that nobody says anything any more is no news.
 */
export class EndpointVotes {
  readonly #families: Readonly<Record<IpFamily, FamilyState>> = { 4: newFamily(), 6: newFamily() };

  /**
   * A node has answered a Ping of ours. Of one /24 the latest statement counts, of IPv6 of one /32: a provider has one, and
   * gives a customer any number of /48. Nodes that are not reached from everywhere are voters of their own, but have no
   * say on global endpoints.
   *
   * @param now milliseconds of a clock that does not go back
   * @returns whether a prediction has changed
   */
  add(voter: StatedEndpoint, stated: StatedEndpoint, now: number): boolean {
    const [from, as] = [located(voter), located(stated)];
    // A packet comes by the family that it is answered by, and from a global address wherever it crosses to one.
    if (from === undefined || as === undefined || from.family !== as.family) return false;
    const isGlobal = as.reach === GLOBAL;
    // Nor does anybody see us by an address that reaches further than its own.
    if (as.reach > from.reach || (from.reach === GLOBAL) !== isGlobal) return false;
    const family = this.#families[as.family];
    for (const ballot of family.ballots) ballot.expire(now);
    const ballot = family.ballots[as.reach];
    if (ballot === undefined) return false;
    const network = isGlobal ? networksOf(from.ip)?.ofTable : undefined;
    const count = ballot.add(network ?? keyOf(from), keyOf(as), now);
    if (count < (isGlobal ? MIN_GLOBAL_VOTES : MIN_LOCAL_VOTES) || 2 * count <= ballot.size) return false;
    // Whoever reaches further sees the address by which more of the others reach us.
    if (family.ballots.some(({ size }, reach) => reach > as.reach && size > 0)) return false;
    const before = family.prediction;
    if (before !== undefined && (before.reach > as.reach || keyOf(before) === keyOf(as))) return false;
    family.prediction = as;
    return true;
  }

  /** Where others see us, as far as is known. */
  prediction(family: IpFamily): PredictedEndpoint | undefined {
    const { prediction } = this.#families[family];
    return prediction && { ip: prediction.ip, udpPort: prediction.udpPort };
  }

  /** Statements that are held. */
  get size(): number {
    return Object.values(this.#families).reduce(
      (sum, { ballots }) => sum + ballots.reduce((votes, { size }) => votes + size, 0),
      0,
    );
  }
}
