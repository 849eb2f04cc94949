/**
 * How fast a server may send and receive, by all peers and by each: token buckets that may be overdrawn by what is under way,
 * and a line of those who wait. Gossip yields first: it is skipped, where answers wait.
 */
import type { Env, Timer } from '../base/env.ts';

/** What may be asked for at least, in bytes a second: with less a chunk of a socket would keep all others waiting for long. */
export const MIN_BANDWIDTH: number = 64 * 1024;
/** A bucket holds what comes into it in this time. */
export const BURST_MS = 1_000;
/** Gossip leaves so large a part of a bucket to answers. */
export const GOSSIP_RESERVE = 1 / 2;
/** What a socket brings at once, in bytes: of those who wait to be read, one in the time that this takes. */
const CHUNK: number = 64 * 1024;

/** Bytes a second; absent: no limit. */
export interface BandwidthOptions {
  /** What is sent to all peers together, ... */
  readonly upload?: number | undefined;
  /** ... and to each of them. */
  readonly uploadPerPeer?: number | undefined;
  /** Of what is sent, gossip: broadcasts and announcements, to all peers together. */
  readonly uploadGossip?: number | undefined;
  /** What is read from all peers together, ... */
  readonly download?: number | undefined;
  /** ... and from each of them. */
  readonly downloadPerPeer?: number | undefined;
}

/** A token bucket. What is spent beyond it is paid back before anybody else may spend. */
export class Bucket {
  readonly #perMs: number;
  readonly #most: number;
  #tokens: number;
  #at: number;

  /** @param rate bytes a second */
  constructor(rate: number, now: number) {
    this.#perMs = rate / 1000;
    this.#most = this.#perMs * BURST_MS;
    this.#tokens = this.#most;
    this.#at = now;
  }

  /** What may be spent, in bytes; negative for a debt. */
  available(now: number): number {
    this.#tokens = Math.min(this.#most, this.#tokens + (now - this.#at) * this.#perMs);
    this.#at = now;
    return this.#tokens;
  }

  /** Whether there is more than the part that gossip leaves. */
  isAmple(now: number): boolean {
    return this.available(now) > this.#most * GOSSIP_RESERVE;
  }

  /** @param bytes negative: what was spent too much is given back */
  spend(bytes: number, now: number): void {
    this.available(now);
    this.#tokens = Math.min(this.#most, this.#tokens - bytes);
  }

  /** Milliseconds until something may be spent again; 0 when it may. */
  waitMs(now: number): number {
    const available = this.available(now);
    return available > 0 ? 0 : Math.ceil((1 - available) / this.#perMs);
  }

  /** Milliseconds in which so many bytes come in. */
  timeOf(bytes: number): number {
    return bytes / this.#perMs;
  }
}

interface Waiter {
  readonly share: BandwidthShare;
  readonly run: () => void;
}

export interface ThrottleOptions {
  readonly env: Pick<Env, 'now' | 'setTimer'>;
  /** Of all peers together, of each, and of gossip: bytes a second. */
  readonly total: number | undefined;
  readonly perPeer: number | undefined;
  readonly gossip?: number | undefined;
  /** Of those who wait one goes on, and the next when what it may bring has come in; else as many as there is room for. */
  readonly oneByOne: boolean;
}

/** One direction of all connections. */
export class Throttle {
  readonly env: ThrottleOptions['env'];
  readonly total: Bucket | undefined;
  readonly gossip: Bucket | undefined;
  readonly #options: ThrottleOptions;
  /** First come, first served. */
  #line: Waiter[] = [];
  #timer: Timer | undefined;
  #timerAt = 0;
  /** When the next of those goes on that go on one by one. */
  #notBefore = Number.NEGATIVE_INFINITY;

  constructor(options: ThrottleOptions) {
    const { env, total, gossip } = options;
    this.#options = options;
    this.env = env;
    const now = env.now();
    this.total = total === undefined ? undefined : new Bucket(total, now);
    this.gossip = gossip === undefined ? undefined : new Bucket(gossip, now);
  }

  /** The part of one connection. */
  share(): BandwidthShare {
    const { perPeer, env } = this.#options;
    return new BandwidthShare(this, perPeer === undefined ? undefined : new Bucket(perPeer, env.now()));
  }

  get waiting(): number {
    return this.#line.length;
  }

  /** @internal */
  wait(waiter: Waiter): void {
    this.#line.push(waiter);
    this.#schedule();
  }

  /** @internal What the share waited for is done at once. */
  leave(share: BandwidthShare): void {
    const own = this.#line.filter((waiter) => waiter.share === share);
    if (own.length === 0) return;
    this.#line = this.#line.filter((waiter) => waiter.share !== share);
    for (const { run } of own) run();
  }

  #schedule(): void {
    if (this.#line.length === 0) return;
    const now = this.env.now();
    let ready = Number.POSITIVE_INFINITY;
    for (const { share } of this.#line) ready = Math.min(ready, share.waitMs(now));
    const at = Math.max(this.#notBefore, now + Math.max(1, ready));
    if (this.#timer !== undefined && this.#timerAt <= at) return;
    this.#timer?.cancel();
    this.#timerAt = at;
    this.#timer = this.env.setTimer(at - now, () => {
      this.#timer = undefined;
      this.#serve();
    });
  }

  #serve(): void {
    const { oneByOne } = this.#options;
    const now = this.env.now();
    /** Who has waited for longer and cannot go on yet: none of theirs overtakes. */
    const blocked = new Set<BandwidthShare>();
    const line = this.#line;
    this.#line = [];
    for (const [i, waiter] of line.entries()) {
      const { share, run } = waiter;
      if (blocked.has(share) || share.waitMs(now) > 0) {
        blocked.add(share);
        this.#line.push(waiter);
        continue;
      }
      share.left();
      run();
      if (!oneByOne) continue;
      const spacing = this.total?.timeOf(CHUNK) ?? 0;
      if (spacing === 0) continue;
      this.#notBefore = now + spacing;
      this.#line.push(...line.slice(i + 1));
      break;
    }
    this.#schedule();
  }
}

/** The part that one connection has in a direction. */
export class BandwidthShare {
  readonly #throttle: Throttle;
  readonly #own: Bucket | undefined;
  #waiting = 0;

  constructor(throttle: Throttle, own: Bucket | undefined) {
    this.#throttle = throttle;
    this.#own = own;
  }

  /** Whether something may be sent or read now, and nothing of this connection waits. */
  get isOpen(): boolean {
    return this.#waiting === 0 && this.waitMs(this.#now) === 0;
  }

  /** Whether there is so much that gossip may take of it. */
  get isAmple(): boolean {
    const { total, gossip } = this.#throttle;
    const now = this.#now;
    const isAmple = (bucket: Bucket | undefined): boolean => bucket === undefined || bucket.isAmple(now);
    return this.isOpen && isAmple(total) && isAmple(this.#own) && (gossip?.waitMs(now) ?? 0) === 0;
  }

  /** @param bytes negative: what was spent too much is given back */
  spend(bytes: number): void {
    const now = this.#now;
    this.#throttle.total?.spend(bytes, now);
    this.#own?.spend(bytes, now);
  }

  spendGossip(bytes: number): void {
    this.spend(bytes);
    this.#throttle.gossip?.spend(bytes, this.#now);
  }

  /** Calls `run` when it is the turn of this connection. */
  wait(run: () => void): void {
    this.#waiting++;
    this.#throttle.wait({ share: this, run });
  }

  /** The connection is over: what waits need not wait. */
  leave(): void {
    this.#waiting = 0;
    this.#throttle.leave(this);
  }

  /** @internal */
  waitMs(now: number): number {
    return Math.max(this.#throttle.total?.waitMs(now) ?? 0, this.#own?.waitMs(now) ?? 0);
  }

  /** @internal One that waited goes on. */
  left(): void {
    this.#waiting--;
  }

  get #now(): number {
    return this.#throttle.env.now();
  }
}

/** Both directions of a server; undefined where nothing is limited, which costs nothing then. */
export interface Bandwidth {
  readonly up: Throttle | undefined;
  readonly down: Throttle | undefined;
}

export function bandwidthOf(options: BandwidthOptions, env: ThrottleOptions['env']): Bandwidth {
  const { upload, uploadPerPeer, uploadGossip, download, downloadPerPeer } = options;
  const hasUp = upload !== undefined || uploadPerPeer !== undefined || uploadGossip !== undefined;
  const hasDown = download !== undefined || downloadPerPeer !== undefined;
  const up = { env, total: upload, perPeer: uploadPerPeer, gossip: uploadGossip, oneByOne: false };
  const down = { env, total: download, perPeer: downloadPerPeer, oneByOne: true };
  return { up: hasUp ? new Throttle(up) : undefined, down: hasDown ? new Throttle(down) : undefined };
}
