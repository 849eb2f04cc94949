import { checkNames, checkObject, invalidArgument, type NamesOf, reading } from '../base/checks.ts';
import type { Env } from '../base/env.ts';
import { formatIp, normalizeIp } from '../base/ip.ts';
import { classOfIp } from '../base/ip-class.ts';
import { type Ban, type BanKind, MAX_BAN_MS, MAX_BAN_REASON_LENGTH } from './ban-codec.ts';
import { addressOf } from './net-restrict.ts';
import type { MemoryLimits } from './network-memory.ts';
import { blockOf, hasLimits, NO_NETWORK, networkOf } from './node-db/network.ts';

/**
 * How many there may be of each kind; of one network and block so many of the policy's. When there are more, the policy's that
 * ends first goes; the user's only for another one of his.
 */
export const MAX_BANS: Readonly<Record<BanKind, MemoryLimits>> = {
  node: { all: 1024, network: 64, block: 256 },
  ip: { all: 1024, network: 16, block: 128 },
};
/** A ban that a user makes without saying for how long. */
export const DEFAULT_BAN_MS: number = 24 * 60 * 60_000;

const IPV6_HOST_PREFIX = 8;
const IPV6_HOST_SUFFIX = '/64';

export interface BanOptions {
  /** Milliseconds, up to thirty days; default a day. */
  readonly durationMs?: number | undefined;
  /** For those who look at `Server.bans`; default `banned by the user`. */
  readonly reason?: string | undefined;
}

const OPTIONS: NamesOf<BanOptions> = { durationMs: true, reason: true };

export interface BanTarget {
  readonly kind: BanKind;
  readonly name: string;
}

/**
 * The name of an address that may be banned; undefined for what is no address. A host has a whole /64 of IPv6, but of those of its link,
 * where all hosts are in one.
 */
export function banNameOf(ip: string): string | undefined {
  const parsed = addressOf(ip);
  if (parsed === undefined) return undefined;
  const address = normalizeIp(parsed);
  if (address.length === 4 || classOfIp(address) === 'link-local') return formatIp(address);
  const network = new Uint8Array(address.length);
  network.set(address.subarray(0, IPV6_HOST_PREFIX));
  return formatIp(network) + IPV6_HOST_SUFFIX;
}

/** An address of those that such a name stands for. */
export function addressIn(name: string): string {
  return name.endsWith(IPV6_HOST_SUFFIX) ? name.slice(0, -IPV6_HOST_SUFFIX.length) : name;
}

/** @throws PeerlaneError `invalid-argument` */
export function checkBanOptions(options: BanOptions): Required<{ durationMs: number; reason: string }> {
  return reading('the options of a ban', () => {
    checkObject('the options of a ban', options);
    checkNames('the options of a ban', options, OPTIONS);
    const { durationMs = DEFAULT_BAN_MS, reason = 'banned by the user' } = options;
    if (!(typeof durationMs === 'number' && durationMs >= 1 && durationMs <= MAX_BAN_MS)) {
      throw invalidArgument(`durationMs must be a number of milliseconds from 1 to ${MAX_BAN_MS}`);
    }
    if (typeof reason !== 'string') throw invalidArgument('reason is not a string');
    return { durationMs, reason };
  });
}

interface Entry {
  readonly ban: Ban;
  /** Where it is that was banned. */
  readonly network: number;
}

/** Who is banned at the moment. */
export class Bans {
  readonly #env: Pick<Env, 'unixTime'>;
  readonly #bans = new Map<string, Entry>();

  constructor(env: Pick<Env, 'unixTime'>) {
    this.#env = env;
  }

  /**
   * The ban of a node, by the hex of its public key, or else the user's of its host, which may be a name. What the policy holds
   * against an address says nothing of the nodes that are known to be there.
   * @param by whose ban of the node is asked for; default: any
   */
  of(key: string, host: string, by?: Ban['by']): Ban | undefined {
    const ofNode = this.get('node', key);
    if (ofNode !== undefined && (by === undefined || ofNode.by === by)) return ofNode;
    const ofHost = this.ofIp(host);
    return ofHost?.by === 'user' ? ofHost : undefined;
  }

  /** Those that hold now, in the order in which they were made. */
  get all(): readonly Ban[] {
    return [...this.#bans.values()]
      .filter(({ ban }) => this.#holds(ban))
      .map(({ ban }) => this.#bans.get(banKeyOf(ban))?.ban ?? ban);
  }

  get(kind: BanKind, name: string): Ban | undefined {
    const ban = this.#bans.get(banKeyOf({ kind, name }))?.ban;
    return ban !== undefined && this.#holds(ban) ? ban : undefined;
  }

  ofIp(ip: string): Ban | undefined {
    // Most servers ban nobody, and ask for each connection.
    if (this.#bans.size === 0) return undefined;
    const name = banNameOf(ip);
    return name === undefined ? undefined : this.get('ip', name);
  }

  /** @param host where a node is, an IP address, if that is known */
  add(
    { kind, name }: BanTarget,
    durationMs: number,
    reason: string,
    by: Ban['by'] = 'user',
    host?: string,
  ): Ban {
    const ms = Math.max(1, Math.min(MAX_BAN_MS, Math.ceil(durationMs)));
    const until = this.#env.unixTime() + ms;
    const ban = { kind, name, until, durationMs: ms, reason: reason.slice(0, MAX_BAN_REASON_LENGTH), by };
    this.#put(ban, host);
    return ban;
  }

  /** Takes in a ban of an earlier run, unless there is a later one, or the user's for the policy's; whether it still holds. */
  restore(ban: Ban): boolean {
    if (!this.#holds(ban)) return false;
    const known = this.get(ban.kind, ban.name);
    if (known === undefined || goesBefore(known, ban)) this.#put(this.#clamped(ban));
    return true;
  }

  /** Milliseconds until a ban ends. */
  leftMs({ until }: Ban): number {
    return Math.max(0, until - this.#env.unixTime());
  }

  remove({ kind, name }: BanTarget): boolean {
    return this.#bans.delete(banKeyOf({ kind, name }));
  }

  #put(ban: Ban, host = ban.kind === 'ip' ? addressIn(ban.name) : undefined): void {
    const key = banKeyOf(ban);
    const known = this.#bans.get(key)?.network ?? NO_NETWORK;
    const network = host === undefined ? known : networkOf(host);
    this.#bans.delete(key);
    this.#bans.set(key, { ban, network });
    this.#makeRoom(ban, network);
  }

  /** There is one more. */
  #makeRoom({ kind, by }: Ban, network: number): void {
    const { all, ...limits } = MAX_BANS[kind];
    const alike = this.#alike(kind);
    const isCounted = by === 'policy' && hasLimits(network);
    const near = isCounted
      ? alike.filter(({ ban, network: other }) => ban.by === 'policy' && blockOf(other) === blockOf(network))
      : [];
    const beside = near.filter(({ network: other }) => other === network);
    if (beside.length > limits.network) this.#giveUpOne(beside);
    else if (near.length > limits.block) this.#giveUpOne(near);
    else if (alike.length > all) this.#giveUpOne(alike);
  }

  /** Those of a kind that hold. */
  #alike(kind: BanKind): readonly Entry[] {
    const now = this.#env.unixTime();
    const alike: Entry[] = [];
    for (const [key, entry] of this.#bans) {
      if (entry.ban.until <= now) this.#bans.delete(key);
      else if (entry.ban.kind === kind) alike.push(entry);
    }
    return alike;
  }

  #giveUpOne(entries: readonly Entry[]): void {
    const bans = entries.map(({ ban }) => ban);
    this.#bans.delete(banKeyOf(bans.reduce((first, ban) => (goesBefore(ban, first) ? ban : first))));
  }

  /** Whether it holds; one that does not is forgotten, and of one whose clock was set back the end is moved. */
  #holds(ban: Ban): boolean {
    const key = banKeyOf(ban);
    const entry = this.#bans.get(key);
    if (ban.until <= this.#env.unixTime()) {
      if (entry?.ban === ban) this.#bans.delete(key);
      return false;
    }
    const clamped = this.#clamped(ban);
    if (clamped !== ban && entry?.ban === ban) this.#bans.set(key, { ...entry, ban: clamped });
    return true;
  }

  /** A clock that was set back must not make a ban eternal. */
  #clamped(ban: Ban): Ban {
    const latest = this.#env.unixTime() + ban.durationMs;
    return ban.until > latest ? { ...ban, until: latest } : ban;
  }
}

/** Which of two bans is given up: the policy's before the user's, else the one that ends first. */
function goesBefore(one: Ban, other: Ban): boolean {
  return one.by === other.by ? one.until < other.until : one.by === 'policy';
}

/** What a ban is known by. */
export function banKeyOf({ kind, name }: BanTarget): string {
  return `${kind}:${name}`;
}
