/** Who states which endpoint of this node, and how many of them agree: on the address, and on the UDP port there. */

/** How long a statement counts: endpoints change, and mappings of translators end within minutes. */
export const VOTE_LIFETIME_MS = 5 * 60 * 1000;
/** Votes of one family and reach; beyond it the oldest goes. */
export const MAX_VOTES = 256;
/**
 * Where no port has more of the votes for its address, the translator gives each peer another one. Between this and a
 * majority the port is changing, or somebody lies: then it is waited for.
 */
export const SCATTERED_PART = 1 / 4;

/** The address in canonical text: a dotted quad, or the form of RFC 5952. */
export interface SeenEndpoint {
  readonly ip: string;
  readonly udpPort: number;
}

/** What more than all others together state. */
export interface Majority {
  readonly ip: string;
  /** Undefined: each sees another one, as through a symmetric translator (RFC 4787, section 4.1). */
  readonly udpPort: number | undefined;
  /** How many state the address, and how many ports they state there. */
  readonly voters: number;
  readonly ports: number;
}

interface Vote extends SeenEndpoint {
  /** By the clock of the node. */
  readonly at: number;
}

/** The votes for one address. */
interface Tally {
  votes: number;
  /** How many votes each port has. */
  readonly ports: Map<number, number>;
}

/** The votes for addresses of one family and reach, one of each voter, the oldest first. */
export class Ballot {
  readonly #votes = new Map<string, Vote>();
  readonly #tallies = new Map<string, Tally>();

  get size(): number {
    return this.#votes.size;
  }

  expire(now: number): void {
    for (const [voter, { at }] of this.#votes) {
      if (now - at < VOTE_LIFETIME_MS) return;
      this.#remove(voter);
    }
  }

  /** The latest vote of a voter is the one that counts. */
  add(voter: string, { ip, udpPort }: SeenEndpoint, at: number): void {
    this.#remove(voter);
    this.#votes.set(voter, { ip, udpPort, at });
    const tally = this.#tallies.get(ip) ?? { votes: 0, ports: new Map<number, number>() };
    this.#tallies.set(ip, tally);
    tally.votes++;
    tally.ports.set(udpPort, (tally.ports.get(udpPort) ?? 0) + 1);
    const oldest = this.#votes.size > MAX_VOTES ? this.#votes.keys().next().value : undefined;
    if (oldest !== undefined) this.#remove(oldest);
  }

  /** What a majority of at least `min` states. */
  majority(min: number): Majority | undefined {
    for (const [ip, { votes, ports }] of this.#tallies) {
      if (!this.#suffices(votes, min)) continue;
      let most = 0;
      for (const [udpPort, count] of ports) {
        if (this.#suffices(count, min)) return { ip, udpPort, voters: votes, ports: ports.size };
        most = Math.max(most, count);
      }
      return most > votes * SCATTERED_PART
        ? undefined
        : { ip, udpPort: undefined, voters: votes, ports: ports.size };
    }
    return undefined;
  }

  /** Whether so many votes are enough, and more than all others together. */
  #suffices(count: number, min: number): boolean {
    return count >= min && 2 * count > this.#votes.size;
  }

  #remove(voter: string): void {
    const vote = this.#votes.get(voter);
    if (vote === undefined) return;
    this.#votes.delete(voter);
    const tally = this.#tallies.get(vote.ip);
    if (tally === undefined) return;
    const count = tally.ports.get(vote.udpPort) ?? 0;
    if (count > 1) tally.ports.set(vote.udpPort, count - 1);
    else tally.ports.delete(vote.udpPort);
    if (--tally.votes === 0) this.#tallies.delete(vote.ip);
  }
}
