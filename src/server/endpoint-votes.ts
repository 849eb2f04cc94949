/**
 * At which endpoint others see this node. A node that listens on all addresses, or behind a translator, does not know;
 * each Pong says where its Ping came from (discv4.md, "Pong Packet (0x02)"), and anybody may lie.
 */
import { formatIp, parseIp } from '../base/ip.ts';
import { classOfIp, type IpClass } from '../base/ip-class.ts';
import { networksOf } from '../kad/index.ts';
import { Ballot, type Majority, type SeenEndpoint } from './endpoint-ballot.ts';

/** So many networks, and more than all others together, must state a global endpoint; addresses cost an attacker. */
export const MIN_GLOBAL_VOTES = 10;
/** So many nodes, and more than all others together, must state another one: there, one host can be any number of nodes. */
export const MIN_LOCAL_VOTES = 3;
/** The classes of addresses that are believed, in the order of how far they reach. */
const REACHES: readonly IpClass[] = ['loopback', 'link-local', 'private', 'special', 'global'];
const GLOBAL = REACHES.indexOf('global');

/** An address, in any of its texts, and a UDP port. */
export interface StatedEndpoint {
  readonly ip: string | undefined;
  readonly udpPort: number;
}

/** Where enough see this node, the address in canonical text; port undefined: each sees another one. */
export interface Prediction {
  readonly ip: string;
  readonly udpPort: number | undefined;
  /** Whether the address is reached from everywhere. */
  readonly isGlobal: boolean;
}

export const IP_FAMILIES = [4, 6] as const;
export type IpFamily = (typeof IP_FAMILIES)[number];

/** Of the text of an address. */
export const familyOf = (ip: string): IpFamily => (ip.includes(':') ? 6 : 4);

interface Located extends SeenEndpoint {
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

const keyOf = ({ ip, udpPort }: SeenEndpoint): string => `${ip} ${udpPort}`;

interface Predicted {
  readonly ip: string;
  readonly udpPort: number | undefined;
  readonly reach: number;
}

interface FamilyState {
  /** By reach. */
  readonly ballots: readonly Ballot[];
  prediction: Predicted | undefined;
}

const newFamily = (): FamilyState => ({ ballots: REACHES.map(() => new Ballot()), prediction: undefined });
const minVotes = (reach: number): number => (reach === GLOBAL ? MIN_GLOBAL_VOTES : MIN_LOCAL_VOTES);

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
    const { reach } = as;
    const ballot = family.ballots[reach];
    if (ballot === undefined) return false;
    const network = isGlobal ? networksOf(from.ip)?.ofTable : undefined;
    ballot.add(network ?? keyOf(from), as, now);
    const majority = ballot.majority(minVotes(reach));
    if (majority === undefined) return false;
    // Whoever reaches further sees the address by which more of the others reach us.
    if (family.ballots.some(({ size }, other) => other > reach && size > 0)) return false;
    const before = family.prediction;
    if (before !== undefined && before.reach > reach) return false;
    const { ip, udpPort } = majority;
    // That there is no port to be named any more is no reason to name another one.
    if (before?.ip === ip && (udpPort === undefined || udpPort === before.udpPort)) return false;
    family.prediction = { ip, udpPort, reach };
    return true;
  }

  /** Where others see us, as far as is known. */
  prediction(family: IpFamily): Prediction | undefined {
    const { prediction } = this.#families[family];
    if (prediction === undefined) return undefined;
    const { ip, udpPort, reach } = prediction;
    return { ip, udpPort, isGlobal: reach === GLOBAL };
  }

  /** What enough networks of the Internet state at present. @param now as for `add` */
  fromOutside(family: IpFamily, now: number): Majority | undefined {
    const ballot = this.#families[family].ballots[GLOBAL];
    ballot?.expire(now);
    return ballot?.majority(MIN_GLOBAL_VOTES);
  }

  /** Statements that are held. */
  get size(): number {
    return Object.values(this.#families).reduce(
      (sum, { ballots }) => sum + ballots.reduce((votes, { size }) => votes + size, 0),
      0,
    );
  }
}
