/**
 * How fast a server may send and receive, by all peers and by each: token buckets that may be overdrawn by what is under way,
 * and lines of those who wait. Gossip yields first: where it is offered it is skipped, and where it is sent it waits for longer
 * than answers.
 */
import type { Env, Timer } from '../base/env.ts';
import type { MessagePriority } from '../p2p/index.ts';
import { Bucket } from './bucket.ts';

/** What may be asked for at least, in bytes a second: with less a chunk of a socket would keep all others waiting for long. */
export const MIN_BANDWIDTH: number = 64 * 1024;
/**
 * What `download` must have for each of `maxPeers`, and of the nodes beyond them that are static or trusted, in bytes a second. When all send without end, each is read again after
 * `CHUNK` of every other, and twice that at first, when all have brought one at once: in 8 s, where nodes leave a peer that
 * takes nothing for 20 s.
 */
export const MIN_DOWNLOAD_OF_PEER: number = 16 * 1024;
/** What a socket brings at once at most, in bytes. */
const CHUNK: number = 64 * 1024;
/** A socket that is read on and has brought nothing within so many milliseconds has nothing: it is the turn of the next. */
export const CHUNK_MS = 5;
/** So long gossip waits at least where answers take all that there is; then it has ... */
export const GOSSIP_PATIENCE_MS = 1_000;
/** ... one part in so many, lest who waits for it waits for ever. */
export const GOSSIP_PART = 8;

/** Bytes a second; absent: no limit. */
export interface BandwidthOptions {
  /** What is sent to all peers together, ... */
  readonly upload?: number | undefined;
  /** ... and to each of them. */
  readonly uploadPerPeer?: number | undefined;
  /**
   * Of what is sent, gossip to all peers together: broadcasts, announcements, and whatever else is sent with the priority
   * `gossip`. Payloads are counted as they are before compression.
   */
  readonly uploadGossip?: number | undefined;
  /**
   * What is read from all peers together, at least 16 KiB a second for each of `maxPeers` and for
   * each static or trusted node, ... There are no classes here: what
   * a peer sends is known when it has been read.
   */
  readonly download?: number | undefined;
  /** ... and from each of them. */
  readonly downloadPerPeer?: number | undefined;
}

interface Waiter {
  readonly share: BandwidthShare;
  readonly size: number;
  readonly run: () => void;
}

export interface ThrottleOptions {
  readonly env: Pick<Env, 'now' | 'setTimer'>;
  /** Of all peers together, of each, and of gossip: bytes a second. */
  readonly total: number | undefined;
  readonly perPeer: number | undefined;
  readonly gossip?: number | undefined;
  /**
   * Nobody knows what those who wait will bring: as many go on as may bring a chunk, and the next when these have brought
   * something, or have nothing.
   */
  readonly oneByOne: boolean;
}

/** One direction of all connections. */
export class Throttle {
  readonly env: ThrottleOptions['env'];
  readonly total: Bucket | undefined;
  readonly gossip: Bucket | undefined;
  readonly #options: ThrottleOptions;
  /** First come, first served. */
  readonly #lines: Record<MessagePriority, Waiter[]> = { answer: [], gossip: [] };
  #timer: Timer | undefined;
  #timerAt = 0;
  /** Who was let go on and has brought nothing yet, and when the next go on if they bring nothing. */
  readonly #awaited = new Set<BandwidthShare>();
  #notBefore = Number.NEGATIVE_INFINITY;
  /** When gossip goes on whatever answers there are. */
  #gossipAt = Number.NEGATIVE_INFINITY;

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
    return this.#lines.answer.length + this.#lines.gossip.length;
  }

  /** @internal */
  wait(waiter: Waiter, priority: MessagePriority): void {
    const line = this.#lines[priority];
    if (priority === 'gossip' && line.length === 0) {
      this.#gossipAt = Math.max(this.#gossipAt, this.env.now() + GOSSIP_PATIENCE_MS);
    }
    line.push(waiter);
    this.#schedule();
  }

  /** @internal What the share waited for is done at once. */
  leave(share: BandwidthShare): void {
    this.spent(share);
    for (const priority of PRIORITIES) {
      const line = this.#lines[priority];
      const own = line.filter((waiter) => waiter.share === share);
      if (own.length === 0) continue;
      this.#lines[priority] = line.filter((waiter) => waiter.share !== share);
      for (const { run } of own) run();
    }
  }

  /** @internal One that was let go on has brought something. */
  spent(share: BandwidthShare): void {
    if (!this.#awaited.delete(share) || this.#awaited.size > 0) return;
    this.#notBefore = Number.NEGATIVE_INFINITY;
    this.#schedule();
  }

  #schedule(): void {
    if (this.waiting === 0) return;
    const now = this.env.now();
    let ready = Number.POSITIVE_INFINITY;
    for (const { share } of this.#lines.answer) ready = Math.min(ready, share.waitMs(now));
    for (const { share } of this.#lines.gossip) {
      const patience = Math.max(this.#gossipAt - now, share.waitMs(now), this.gossip?.waitMs(now) ?? 0);
      ready = Math.min(ready, share.gossipMs(now), patience);
    }
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
    const now = this.env.now();
    if (this.#options.oneByOne) {
      this.#awaited.clear();
      let room = this.total?.available(now) ?? Number.POSITIVE_INFINITY;
      this.#pass('answer', ({ share }) => {
        if (room <= 0 || share.waitMs(now) > 0) return false;
        room -= CHUNK;
        this.#awaited.add(share);
        return true;
      });
      this.#notBefore = this.#awaited.size > 0 ? now + CHUNK_MS : Number.NEGATIVE_INFINITY;
    } else {
      const mayGossip = (share: BandwidthShare) => share.waitMs(now) === 0 && !this.gossip?.waitMs(now);
      this.#pass('gossip', ({ share, size }) => {
        if (now < this.#gossipAt || !mayGossip(share)) return false;
        this.#gossipAt = now + GOSSIP_PART * share.timeOf(size);
        return true;
      });
      this.#pass('answer', ({ share }) => share.waitMs(now) === 0);
      this.#pass('gossip', ({ share }) => share.gossipMs(now) === 0);
    }
    this.#schedule();
  }

  /** Goes through a line; of those whose first may not go on, nothing goes on. */
  #pass(priority: MessagePriority, mayGo: (waiter: Waiter) => boolean): void {
    const blocked = new Set<BandwidthShare>();
    const line = this.#lines[priority];
    this.#lines[priority] = [];
    for (const waiter of line) {
      const { share, run } = waiter;
      if (blocked.has(share) || !mayGo(waiter)) {
        blocked.add(share);
        this.#lines[priority].push(waiter);
        continue;
      }
      share.left(priority);
      run();
    }
  }
}

const PRIORITIES: readonly MessagePriority[] = ['answer', 'gossip'];

/** The part that one connection has in a direction. */
export class BandwidthShare {
  readonly #throttle: Throttle;
  readonly #own: Bucket | undefined;
  readonly #waiting: Record<MessagePriority, number> = { answer: 0, gossip: 0 };

  constructor(throttle: Throttle, own: Bucket | undefined) {
    this.#throttle = throttle;
    this.#own = own;
  }

  /** Whether something may be sent or read now, and no answer of this connection waits. */
  get isOpen(): boolean {
    return this.#waiting.answer === 0 && this.waitMs(this.#now) === 0;
  }

  /** Whether there is so much that gossip may take of it, and nothing of this connection waits. */
  get isAmple(): boolean {
    return this.isOpen && this.#waiting.gossip === 0 && this.gossipMs(this.#now) === 0;
  }

  /** @param bytes negative: what was spent too much is given back */
  spend(bytes: number): void {
    const now = this.#now;
    this.#throttle.total?.spend(bytes, now);
    this.#own?.spend(bytes, now);
    this.#throttle.spent(this);
  }

  spendGossip(bytes: number): void {
    this.spend(bytes);
    this.#throttle.gossip?.spend(bytes, this.#now);
  }

  /**
   * Calls `run` when it is the turn of this connection. Answers go in their order, and gossip in its own.
   * @param size bytes that are spent then, where it is known
   */
  wait(run: () => void, { size = 0, priority = 'answer' }: WaitOptions = {}): void {
    this.#waiting[priority]++;
    this.#throttle.wait({ share: this, size, run }, priority);
  }

  /** The connection is over: what waits need not wait. */
  leave(): void {
    for (const priority of PRIORITIES) this.#waiting[priority] = 0;
    this.#throttle.leave(this);
  }

  /** @internal */
  waitMs(now: number): number {
    return Math.max(this.#throttle.total?.waitMs(now) ?? 0, this.#own?.waitMs(now) ?? 0);
  }

  /** @internal Milliseconds until gossip may go on without taking what answers are left. */
  gossipMs(now: number): number {
    const { total, gossip } = this.#throttle;
    return Math.max(total?.ampleMs(now) ?? 0, this.#own?.ampleMs(now) ?? 0, gossip?.waitMs(now) ?? 0);
  }

  /** @internal Milliseconds in which so many bytes come in. */
  timeOf(bytes: number): number {
    return Math.max(this.#throttle.total?.timeOf(bytes) ?? 0, this.#own?.timeOf(bytes) ?? 0);
  }

  /** @internal One that waited goes on. */
  left(priority: MessagePriority): void {
    this.#waiting[priority]--;
  }

  get #now(): number {
    return this.#throttle.env.now();
  }
}

interface WaitOptions {
  readonly size?: number;
  readonly priority?: MessagePriority;
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
