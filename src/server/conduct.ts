/** How nodes behave, and what a server does about it: the reputations, the bans, and the policy between them. */
import type { Env } from '../base/env.ts';
import { PeerlaneError, remoteError } from '../base/errors.ts';
import { isLocal } from '../base/ip-class.ts';
import { setLatest } from '../base/recent.ts';
import { eventOf, isMajor, type ReputationEventKind } from '../base/reputation-events.ts';
import { type Ban, endOfBan } from './ban-codec.ts';
import { type Bans, type BanTarget, banNameOf } from './bans.ts';
import { Departures } from './departures.ts';
import type { ServerEvent } from './events.ts';
import { addressOf } from './net-restrict.ts';
import { type MemoryLimits, NetworkMemory } from './network-memory.ts';
import {
  BLANK_HISTORY,
  DROPPED_WINDOW_MS,
  decide,
  type ReputationDecision,
  type ReputationHistory,
  type ReputationPolicy,
  scoreAt,
  sparing,
  withEvent,
  withoutLast,
} from './reputation.ts';

/** Nodes whose behaviour is remembered: those that are connected, and of others no more than this. */
export const NODE_REPUTATIONS: MemoryLimits = { all: 4096, network: 256, block: 1024 };
/** Addresses whose behaviour is remembered. */
export const ADDRESS_REPUTATIONS: MemoryLimits = { all: 1024, network: 16, block: 128 };
/** Peers that were dropped of late, for the mercy that may follow from that. */
const MAX_DROPPED = 256;

export interface ConductOptions {
  readonly env: Pick<Env, 'now'>;
  readonly policy: ReputationPolicy;
  readonly bans: Bans;
  /** Whether the node is connected, or just being disconnected. */
  readonly isPeer: (key: string) => boolean;
  /** How many nodes are connected besides this one. */
  readonly others: (key: string) => number;
  /** Whether the user has named the node: it is kept whatever it does. */
  readonly isKept: (key: string) => boolean;
  /** Whether such a node is at an address, by the name that `banNameOf` gives it. */
  readonly isKeptAt: (name: string) => boolean;
  /** A node, by the hex of its public key, is banned, or to be disconnected. */
  readonly drop: (key: string, error: PeerlaneError) => void;
  readonly banned: () => void;
  readonly onEvent: (event: ServerEvent) => void;
}

export class Conduct {
  readonly #options: ConductOptions;
  readonly #nodes: NetworkMemory<ReputationHistory>;
  readonly #addresses = new NetworkMemory<ReputationHistory>(ADDRESS_REPUTATIONS);
  /** Until when nodes are not dialed. */
  readonly #penalised = new NetworkMemory<number>(NODE_REPUTATIONS);
  readonly #departures = new Departures();
  /** When peers were dropped or banned. */
  readonly #dropped = new Map<string, number>();

  constructor(options: ConductOptions) {
    this.#options = options;
    this.#nodes = new NetworkMemory(NODE_REPUTATIONS, options.isPeer);
  }

  /** Scores of the nodes of which something is known, as they are now. */
  *scores(): Generator<number, void, undefined> {
    const now = this.#options.env.now();
    for (const history of this.#nodes.values()) yield scoreAt(history, now);
  }

  /** The score of a node as it is now. */
  score(key: string): number {
    return scoreAt(this.#nodes.get(key) ?? BLANK_HISTORY, this.#options.env.now());
  }

  /** What is remembered of a node, with its score as it is now. */
  history(key: string): ReputationHistory {
    return this.#asOfNow(this.#nodes.get(key) ?? BLANK_HISTORY);
  }

  /** What is remembered of all nodes of which something is known, by the hex of their public keys. */
  *histories(): Generator<readonly [key: string, history: ReputationHistory], void, undefined> {
    for (const [key, history] of this.#nodes.entries()) yield [key, this.#asOfNow(history)];
  }

  /** A copy that is the caller's. */
  #asOfNow(history: ReputationHistory): ReputationHistory {
    const now = this.#options.env.now();
    return { ...history, score: scoreAt(history, now), at: now, recent: [...history.recent] };
  }

  /** Whether the node is not to be dialed for a while. */
  isPenalised(key: string): boolean {
    return this.#penaltyMs(key) > 0;
  }

  #penaltyMs(key: string): number {
    return Math.max(0, (this.#penalised.get(key) ?? 0) - this.#options.env.now());
  }

  /** The ban that keeps us from a node: for whom the user has named none but the user's. */
  banOf(key: string, host: string): Ban | undefined {
    const { bans, isKept } = this.#options;
    return bans.of(key, host, isKept(key) ? 'user' : undefined);
  }

  /** The user's ban of an address, at which nobody is dialed; what the policy holds against one says nothing of whom we look for. */
  banOfAddress(ip: string): Ban | undefined {
    const ban = this.#options.bans.ofIp(ip);
    return ban?.by === 'user' ? ban : undefined;
  }

  /** The ban that keeps us from dialing a node at all of its places; of those of its addresses the one that ends first. */
  banOfPlaces(key: string, hosts: readonly string[]): Ban | undefined {
    const bans = hosts.map((host) => this.banOf(key, host)).filter((ban) => ban !== undefined);
    return bans.length === hosts.length ? firstToEnd(bans) : undefined;
  }

  /** Whether nobody is let in from an address: where one is whom the user has named, the policy bans in vain. */
  refusesAddress(ip: string): boolean {
    const ban = this.#options.bans.ofIp(ip);
    return ban !== undefined && !(ban.by === 'policy' && this.#options.isKeptAt(ban.name));
  }

  /**
   * Milliseconds for which a node is not dialed. No penalty holds for whom the user has named, nor while nobody is connected:
   * better a bad peer than none.
   */
  shunnedForMs(key: string, hosts: readonly string[]): number {
    const { bans, isKept, others } = this.#options;
    const ban = this.banOfPlaces(key, hosts);
    const bannedMs = ban === undefined ? 0 : bans.leftMs(ban);
    const penalisedMs = this.#penaltyMs(key);
    if (penalisedMs === 0 || isKept(key) || others(key) === 0) return bannedMs;
    return Math.max(bannedMs, penalisedMs);
  }

  /** Forgets what a node or an address did. */
  forgive({ kind, name }: BanTarget): void {
    (kind === 'ip' ? this.#addresses : this.#nodes).delete(name);
    this.#penalised.delete(name);
  }

  /**
   * A connection of a node that has proved its key has ended.
   * @param wasOfUse whether it was a peer, or one that we dialed: what others do says nothing of our own network
   * @param host where the node is
   */
  ended(key: string, error: PeerlaneError, wasOfUse = false, host?: string): void {
    const kind = eventOf(error);
    if (kind === undefined) return;
    const { env, others } = this.#options;
    const inVain =
      kind === 'minor' && wasOfUse ? this.#departures.note(key, env.now(), others(key)) : undefined;
    if (inVain === undefined) this.record(key, kind, host);
    else for (const [node, times] of inVain) this.#takeBack(node, kind, times);
  }

  /** Events were our own network's fault. */
  #takeBack(key: string, kind: ReputationEventKind, times: number): void {
    const history = this.#nodes.get(key);
    if (history === undefined) return;
    const cleared = withoutLast(history, kind, times);
    this.#nodes.set(key, cleared);
    if (this.#decide(cleared).kind === 'keep') this.#penalised.delete(key);
  }

  /**
   * A connection that came in has ended before anybody proved a key. What an address does is held against it; this machine
   * and the LAN are exempt, where one address may stand for many nodes.
   */
  endedUnknown(ip: string, error: PeerlaneError): void {
    const kind = eventOf(error);
    const [address, name] = [addressOf(ip), banNameOf(ip)];
    if (kind === undefined || address === undefined || name === undefined || isLocal(address)) return;
    // Who says nothing and goes may have been cut off.
    if (!isMajor(kind) && this.#addresses.get(name) === undefined) return;
    const history = this.#note(this.#addresses, name, kind, ip);
    const decision = this.#decide(history);
    if (decision.kind === 'ban') this.#ban({ kind: 'ip', name }, decision.forMs, decision, ip);
  }

  /** A node has done something. @param host where it is */
  record(key: string, kind: ReputationEventKind, host?: string): void {
    const history = this.#note(this.#nodes, key, kind, host);
    const { isKept, isPeer, drop, others } = this.#options;
    const wanted = this.#decide(history);
    // Many more events are good than bad.
    if (wanted.kind === 'keep' || isKept(key)) return;
    // Keys cost nothing: whoever comes with many and is no peer must not buy mercy for those who are.
    const wasPeer = isPeer(key);
    const decision = sparing(wanted, others(key), wasPeer ? this.#droppedOfLate(key) : 0);
    switch (decision.kind) {
      case 'penalise':
        this.#penalise(key, decision.forMs, decision, host);
        break;
      case 'disconnect':
        if (wasPeer) this.#noteDropped(key);
        this.#tell(key, decision);
        drop(key, new PeerlaneError('bad-reputation', `the peer behaves badly: ${decision.reason}`));
        break;
      case 'ban':
        if (wasPeer) this.#noteDropped(key);
        drop(key, bannedError(this.#ban({ kind: 'node', name: key }, decision.forMs, decision, host)));
        break;
      default:
    }
  }

  #note(
    of: NetworkMemory<ReputationHistory>,
    name: string,
    kind: ReputationEventKind,
    host: string | undefined,
  ): ReputationHistory {
    const at = this.#options.env.now();
    const history = withEvent(of.get(name) ?? BLANK_HISTORY, { kind, at });
    of.set(name, history, host);
    return history;
  }

  #decide(history: ReputationHistory): ReputationDecision {
    const { policy, onEvent } = this.#options;
    const { decision, error } = decide(policy, history);
    if (error !== undefined) onEvent({ kind: 'policy-failed', error });
    return decision;
  }

  #penalise(key: string, forMs: number, decision: ReputationDecision, host: string | undefined): void {
    // Told once, not for each event of a bad node.
    if (!this.isPenalised(key)) this.#tell(key, decision);
    this.#penalised.set(key, this.#options.env.now() + forMs, host);
  }

  #ban(target: BanTarget, forMs: number, decision: ReputationDecision, host: string | undefined): Ban {
    const { bans, banned } = this.#options;
    const reason = 'reason' in decision ? decision.reason : '';
    const known = bans.get(target.kind, target.name);
    // That one may last for longer, and holds for all.
    if (known?.by === 'user') return known;
    if (known === undefined) this.#tell(target.name, decision);
    const ban = bans.add(target, forMs, reason, 'policy', host);
    banned();
    return ban;
  }

  #tell(node: string, decision: ReputationDecision): void {
    this.#options.onEvent({ kind: 'reputation', node, decision });
  }

  #noteDropped(key: string): void {
    setLatest(this.#dropped, key, this.#options.env.now(), MAX_DROPPED);
  }

  /** Other peers that were dropped or banned of late. */
  #droppedOfLate(key: string): number {
    const since = this.#options.env.now() - DROPPED_WINDOW_MS;
    let count = 0;
    for (const [other, at] of this.#dropped) {
      if (at < since) this.#dropped.delete(other);
      else if (other !== key) count++;
    }
    return count;
  }
}

export function bannedError(ban: Ban): PeerlaneError {
  const { reason } = ban;
  return remoteError(
    'banned',
    `the node is banned until ${endOfBan(ban)}${reason === '' ? '' : `: ${reason}`}`,
  );
}

/** All addresses of a node were banned when it was dialed; `details.until` is when the first of these bans ends, as `Ban.until`. */
export function allBannedError(bans: readonly Ban[]): PeerlaneError {
  const ban = firstToEnd(bans);
  if (ban === undefined) return new PeerlaneError('banned', 'the node is banned');
  const { message } = bannedError(ban);
  return new PeerlaneError('banned', message, { details: { until: ban.until } });
}

function firstToEnd([first, ...others]: readonly Ban[]): Ban | undefined {
  return first && others.reduce((soonest, ban) => (ban.until < soonest.until ? ban : soonest), first);
}
