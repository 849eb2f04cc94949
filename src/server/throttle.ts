/**
 * Token buckets that may be overdrawn by what is under way, and lines of those who wait. What is prompt goes first: requests,
 * handshakes of protocols, and small answers; then answers. Gossip yields: where it is offered it is skipped, and where it is
 * sent it waits for longer than answers.
 */
import type { Env, Timer } from '../base/env.ts';
import { type MessagePriority, SMALL_MESSAGE } from '../p2p/index.ts';
import { Bucket } from './bucket.ts';
import { PromptBucket } from './prompt-bucket.ts';
import { WaitingLine } from './waiting-line.ts';

/** What a socket brings at once at most, in bytes. */
const CHUNK: number = 64 * 1024;
/** A socket that is read on and has brought nothing within so many milliseconds has nothing: it is the turn of the next. */
export const CHUNK_MS = 5;
/** So long gossip waits at least where answers take all that there is; then it has ... */
export const GOSSIP_PATIENCE_MS = 1_000;
/** ... one part in so many, lest who waits for it waits for ever. */
export const GOSSIP_PART = 8;
/** What a frame has beside a short payload, in bytes: without it many such messages would go before their frames show it. */
const FRAME_OVERHEAD = 64;

type Lane = 'prompt' | 'answer' | 'gossip';

interface Waiter {
  readonly share: BandwidthShare;
  readonly size: number;
  readonly lane: Lane;
  /** It is an answer, which no other answer of its connection overtakes. */
  readonly isAnswer: boolean;
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
  readonly total: PromptBucket | undefined;
  readonly gossip: Bucket | undefined;
  readonly #options: ThrottleOptions;
  readonly #lines: Readonly<Record<Lane, WaitingLine<BandwidthShare, Waiter>>> = {
    prompt: new WaitingLine(),
    answer: new WaitingLine(),
    gossip: new WaitingLine(),
  };
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
    this.total = total === undefined ? undefined : new PromptBucket(total, now);
    this.gossip = gossip === undefined ? undefined : new Bucket(gossip, now);
  }

  /** The part of one connection. */
  share(): BandwidthShare {
    const { perPeer, env } = this.#options;
    return new BandwidthShare(this, perPeer === undefined ? undefined : new PromptBucket(perPeer, env.now()));
  }

  get waiting(): number {
    return LANES.reduce((sum, lane) => sum + this.#lines[lane].length, 0);
  }

  /** @internal Whether answers wait, of which some may wait for this bucket. */
  get isContested(): boolean {
    return this.#lines.answer.length > 0;
  }

  /** @internal */
  wait(waiter: Waiter): void {
    const { lane, share } = waiter;
    const line = this.#lines[lane];
    const now = this.env.now();
    if (lane === 'gossip' && line.length === 0) {
      this.#gossipAt = Math.max(this.#gossipAt, now + GOSSIP_PATIENCE_MS);
    }
    // What stands behind others is looked at when these have gone.
    if (line.push(share, waiter)) this.#arm(this.#waitMs(waiter, now), now);
  }

  /** @internal What the share waited for is done at once. */
  leave(share: BandwidthShare): void {
    this.spent(share);
    for (const lane of LANES) {
      for (const { run } of this.#lines[lane].remove(share)) run();
    }
    // A timer for nobody would keep a program alive that has nothing else to do.
    if (this.waiting > 0) return;
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  /** @internal One that was let go on has brought something. */
  spent(share: BandwidthShare): void {
    if (!this.#awaited.delete(share) || this.#awaited.size > 0) return;
    this.#notBefore = Number.NEGATIVE_INFINITY;
    this.#schedule();
  }

  /** @internal There is more than there was, which is lost if nobody takes it. */
  returned(): void {
    this.#schedule();
  }

  /** Milliseconds until the first of a connection may go on. */
  #waitMs({ lane, share }: Waiter, now: number): number {
    if (lane === 'prompt') return share.promptMs(now);
    if (lane === 'answer') return share.waitMs(now);
    const patience = Math.max(this.#gossipAt - now, share.waitMs(now), this.gossip?.waitMs(now) ?? 0);
    return Math.min(share.gossipMs(now), patience);
  }

  #schedule(): void {
    if (this.waiting === 0) return;
    const now = this.env.now();
    let ready = Number.POSITIVE_INFINITY;
    for (const lane of LANES) {
      for (const waiter of this.#lines[lane].firsts()) ready = Math.min(ready, this.#waitMs(waiter, now));
    }
    this.#arm(ready, now);
  }

  /** Keeps one timer, at the earliest time that is known. */
  #arm(ready: number, now: number): void {
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
      // What is prompt has a part that answers cannot take, and so leaves the rest to them.
      this.#pass('answer', ({ share }) => share.waitMs(now) === 0 && !share.hasSmallWaiting);
      this.#pass('prompt', ({ share }) => share.promptMs(now) === 0);
      this.#pass('gossip', ({ share }) => share.gossipMs(now) === 0);
    }
    this.#schedule();
  }

  #pass(lane: Lane, mayGo: (waiter: Waiter) => boolean): void {
    this.#lines[lane].pass(mayGo, (waiter) => {
      waiter.share.left(waiter);
      waiter.run();
    });
  }
}

const LANES: readonly Lane[] = ['prompt', 'answer', 'gossip'];

/** The part that one connection has in a direction. */
export class BandwidthShare {
  readonly #throttle: Throttle;
  readonly #own: PromptBucket | undefined;
  readonly #waiting: Record<Lane, number> = { prompt: 0, answer: 0, gossip: 0 };
  /** Answers among those that are prompt. */
  #smallWaiting = 0;

  constructor(throttle: Throttle, own: PromptBucket | undefined) {
    this.#throttle = throttle;
    this.#own = own;
  }

  /** Whether something may be sent or read now, and no answer of this connection waits. */
  get isOpen(): boolean {
    return this.#waiting.answer === 0 && this.#smallWaiting === 0 && this.waitMs(this.#now) === 0;
  }

  /** Whether there is so much that gossip may take of it, and nothing of this connection waits. */
  get isAmple(): boolean {
    return this.isOpen && this.#waiting.gossip === 0 && this.gossipMs(this.#now) === 0;
  }

  /** Whether a message of so many bytes, 0 where that is not known, need not wait. */
  takes(size: number, priority: MessagePriority): boolean {
    const lane = this.#laneOf(size, priority);
    if (lane === 'gossip') return this.isAmple;
    if (lane === 'answer') return this.isOpen;
    return this.#waiting.prompt === 0 && this.promptMs(this.#now) === 0;
  }

  /** @param bytes negative: what was spent too much is given back */
  spend(bytes: number): void {
    const now = this.#now;
    this.#throttle.total?.spend(bytes, now);
    this.#own?.spend(bytes, now);
    this.#throttle.spent(this);
    if (bytes < 0) this.#throttle.returned();
  }

  /**
   * Spends a message that goes on now.
   * @param size bytes of the payload
   * @returns the bytes that its frame is taken to have, until that is known
   */
  spendMessage(size: number, priority: MessagePriority): number {
    const { total, gossip, isContested } = this.#throttle;
    const now = this.#now;
    const bytes = size + FRAME_OVERHEAD;
    if (priority === 'gossip') gossip?.spend(size, now);
    else if (isPrompt(size, priority)) {
      total?.spendPrompt(bytes, now, isContested);
      this.#own?.spendPrompt(bytes, now, this.#waiting.answer > 0);
    }
    this.spend(bytes);
    return bytes;
  }

  /**
   * Calls `run` when it is the turn of this connection. Answers go in their order, and so do gossip and requests, each in its
   * own.
   * @param size bytes that are spent then; 0 where that is not known
   */
  wait(run: () => void, { size = 0, priority = 'answer' }: WaitOptions = {}): void {
    const lane = this.#laneOf(size, priority);
    const waiter: Waiter = { share: this, size, lane, isAnswer: priority === 'answer', run };
    this.#waiting[lane]++;
    if (lane === 'prompt' && waiter.isAnswer) this.#smallWaiting++;
    this.#throttle.wait(waiter);
  }

  /** The connection is over: what waits need not wait. */
  leave(): void {
    for (const lane of LANES) this.#waiting[lane] = 0;
    this.#smallWaiting = 0;
    this.#throttle.leave(this);
  }

  /** @internal Whether small answers wait, which larger ones that came later do not overtake. */
  get hasSmallWaiting(): boolean {
    return this.#smallWaiting > 0;
  }

  /** @internal */
  waitMs(now: number): number {
    return Math.max(this.#throttle.total?.waitMs(now) ?? 0, this.#own?.waitMs(now) ?? 0);
  }

  /** @internal Milliseconds until what is prompt may go on, whatever has been spent on answers. */
  promptMs(now: number): number {
    const { total, isContested } = this.#throttle;
    const own = this.#own?.promptMs(now, this.#waiting.answer > 0) ?? 0;
    return Math.max(total?.promptMs(now, isContested) ?? 0, own);
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
  left({ lane, isAnswer }: Waiter): void {
    this.#waiting[lane]--;
    if (lane === 'prompt' && isAnswer) this.#smallWaiting--;
  }

  #laneOf(size: number, priority: MessagePriority): Lane {
    if (priority === 'gossip') return 'gossip';
    if (priority === 'request') return 'prompt';
    // A small answer overtakes those of other connections only.
    return isPrompt(size, priority) && this.#waiting.answer === 0 ? 'prompt' : 'answer';
  }

  get #now(): number {
    return this.#throttle.env.now();
  }
}

interface WaitOptions {
  readonly size?: number;
  readonly priority?: MessagePriority;
}

function isPrompt(size: number, priority: MessagePriority): boolean {
  return priority === 'request' || (priority === 'answer' && size > 0 && size <= SMALL_MESSAGE);
}
