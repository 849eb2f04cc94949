/** What one connection has to say and the peer has not taken yet. */
import type { Budget, BudgetHolder, BudgetShare } from '../base/budget.ts';
import type { Env } from '../base/env.ts';
import type { Lease } from '../base/slabs.ts';
import type { Wire } from '../io/tcp.ts';
import { type MessagePriority, SMALL_MESSAGE } from '../p2p/index.ts';
import type { BandwidthShare, Throttle } from './throttle.ts';

/** Output that has not left yet: above this `send` waits, and Pings go unanswered. */
export const OUTPUT_HIGH_WATER = 512 * 1024;
/** What was written has to make progress within this time. */
export const FRAME_WRITE_TIMEOUT_MS = 20_000;

export interface OutputOptions {
  readonly wire: Wire;
  readonly env: Env;
  readonly budget: Budget;
  readonly owner: OutputOwner;
  /** Undefined: it may be sent as fast as the peer takes it. */
  readonly throttle?: Throttle | undefined;
}

/** The connection. */
export interface OutputOwner {
  /** Bytes of payloads that wait to be encoded. */
  readonly unencodedLength: number;
  /** Memory is short, and this peer takes nothing; or nobody waits for it to take what is sent. */
  giveUp(): void;
}

/** A message, or the question whether one could be sent. */
interface Entry {
  readonly size: number;
  readonly run: () => void;
}

export class Output implements BudgetHolder {
  readonly #wire: Wire;
  readonly #env: Env;
  readonly #budget: Budget;
  readonly #owner: OutputOwner;
  readonly #share: BudgetShare;
  /** What waits for the memory that all peers share, in order. */
  #line: Entry[] = [];
  #lineLength = 0;
  #waiters: (() => void)[] = [];
  readonly #bandwidth: BandwidthShare | undefined;
  /** Bytes of messages that wait for bandwidth. */
  #throttledLength = 0;
  /** Bytes that bandwidth was taken for and that are not encoded yet, and of frames written meanwhile. */
  #spent = 0;
  #written = 0;
  #flushed = 0;
  #flushedAt = 0;
  #isOver = false;

  constructor({ wire, env, budget, owner, throttle }: OutputOptions) {
    this.#wire = wire;
    this.#env = env;
    this.#budget = budget;
    this.#owner = owner;
    this.#share = budget.share(this);
    this.#bandwidth = throttle?.share();
  }

  get #length(): number {
    return this.#owner.unencodedLength + this.#wire.backlog;
  }

  get isCongested(): boolean {
    return this.#length > OUTPUT_HIGH_WATER;
  }

  /** Bytes that a message may have to be sent without any waiting. */
  get room(): number {
    if (this.isCongested || this.#line.length > 0) return 0;
    if (this.#bandwidth?.isOpen !== false) return this.#share.room;
    return this.#bandwidth.takes(SMALL_MESSAGE, 'answer') ? Math.min(SMALL_MESSAGE, this.#share.room) : 0;
  }

  /** Whether gossip of so many bytes can be sent without any waiting. It has to be sent at once then. */
  takes(size: number): boolean {
    if (this.#isOver || this.isCongested || this.#line.length > 0) return false;
    if (this.#bandwidth?.isAmple === false || !this.#share.take(size)) return false;
    this.#spend(size, 'gossip');
    return true;
  }

  /**
   * Runs `send`, which queues so many bytes, at once or when there is memory for them.
   * @returns undefined when there is room for the next message, else what resolves when there is
   */
  send(size: number, priority: MessagePriority, send: () => void): Promise<void> | undefined {
    if (this.#hasBandwidth(size, priority)) return this.#send(size, send);
    return this.#throttled(size, priority, () => this.#send(size, send));
  }

  /** Whether bandwidth is there, which is taken then. */
  #hasBandwidth(size: number, priority: MessagePriority): boolean {
    const bandwidth = this.#bandwidth;
    if (bandwidth === undefined || this.#isOver) return true;
    if (!bandwidth.takes(size, priority)) return false;
    this.#spend(size, priority);
    return true;
  }

  #spend(size: number, priority: MessagePriority): void {
    this.#spent += this.#bandwidth?.spendMessage(size, priority) ?? 0;
  }

  #throttled(size: number, priority: MessagePriority, run: () => Promise<void> | undefined): Promise<void> {
    this.#throttledLength += size;
    // Only a handler that awaits nothing gets here.
    if (this.#throttledLength > Math.max(size, this.#budget.limit)) this.giveUp();
    return new Promise((resolve) => {
      const go = (): void => {
        this.#throttledLength -= size;
        if (!this.#isOver) this.#spend(size, priority);
        resolve(run());
      };
      if (this.#isOver) go();
      else this.#bandwidth?.wait(go, { size, priority });
    });
  }

  /** Resolves when an answer of so many bytes may be sent; it is spent when it is. */
  #turn(size: number): Promise<void> {
    return new Promise((resolve) => {
      if (this.#isOver) resolve();
      else this.#bandwidth?.wait(resolve, { size });
    });
  }

  #send(size: number, send: () => void): Promise<void> | undefined {
    if (!this.#admit(size, send)) return this.#inLine(size, send).then(() => this.#uncongested());
    return this.#uncongested();
  }

  /** Resolves when so many bytes can be sent without any waiting, if they are sent at once. */
  async writable(size: number): Promise<void> {
    if (this.#bandwidth?.takes(size, 'answer') === false) await this.#turn(size);
    await this.#uncongested();
    const reserve = (): void => {
      if (!this.#isOver) this.#share.set(this.#share.held + size);
    };
    if (!this.#admit(size, reserve)) await this.#inLine(size, reserve);
  }

  #inLine(size: number, run: () => void): Promise<void> {
    return new Promise((resolve) => {
      this.#line.push({
        size,
        run: () => {
          run();
          resolve();
        },
      });
      this.#lineLength += size;
      // Only a handler that awaits nothing gets here.
      if (this.#line.length > 1 && this.#lineLength > this.#budget.limit) this.giveUp();
    });
  }

  #admit(size: number, run: () => void): boolean {
    if (this.#isOver) return true;
    if (this.#line.length > 0 || !this.#share.ask(size)) return false;
    run();
    return true;
  }

  #uncongested(): Promise<void> | undefined {
    if (!this.isCongested || this.#isOver) return undefined;
    return new Promise((resolve) => this.#waiters.push(resolve));
  }

  write(bytes: Uint8Array, lease?: Lease): void {
    const wire = this.#wire;
    this.#written += bytes.length;
    if (wire.backlog === 0) this.#flushedAt = this.#env.now();
    // Frames are views into a slab that may be far larger than what is charged for them; who does not take them at
    // once gets a copy.
    const { length, buffer } = bytes;
    const isWasteful = 2 * length < buffer.byteLength;
    if (isWasteful && (wire.backlog > 0 || lease?.mayLinger === false)) {
      wire.write(new Uint8Array(bytes));
      lease?.release();
    } else {
      wire.write(bytes, lease);
    }
    this.account();
  }

  /** Something has been queued, encoded, or handed to the system. */
  account(): void {
    if (this.#isOver) return;
    this.#share.set(this.#length);
    if (this.#bandwidth === undefined || this.#owner.unencodedLength > 0) return;
    // Frames are shorter or longer than what was paid for, and some have no payload of a message.
    this.#bandwidth.spend(this.#written - this.#spent);
    this.#spent = 0;
    this.#written = 0;
  }

  drained(): void {
    this.account();
    if (!this.isCongested) this.#release();
  }

  /** When the peer must have taken something, on the clock of `Env.now`; infinite when nothing waits. */
  get deadline(): number {
    return this.#wire.backlog === 0 ? Number.POSITIVE_INFINITY : this.#flushedAt + FRAME_WRITE_TIMEOUT_MS;
  }

  /** Whether the peer has taken nothing until the deadline. */
  isOverdue(now: number): boolean {
    const { flushed } = this.#wire;
    if (flushed > this.#flushed) {
      this.#flushed = flushed;
      this.#flushedAt = now;
    }
    return now >= this.deadline;
  }

  /** The connection is over: who waits need not wait any more. */
  close(): void {
    this.#isOver = true;
    this.#share.leave();
    this.#share.set(0);
    this.#bandwidth?.leave();
    const line = this.#line;
    this.#line = [];
    for (const { run } of line) run();
    this.#release();
  }

  // BudgetHolder

  get moved(): number {
    return this.#wire.flushed;
  }

  couldMove(): boolean {
    return this.#wire.backlog > 0;
  }

  get isBlocked(): boolean {
    return this.#wire.backlog === 0;
  }

  giveUp(): void {
    this.#owner.giveUp();
  }

  granted(): void {
    for (;;) {
      const entry = this.#line.shift();
      if (entry === undefined) return;
      this.#lineLength -= entry.size;
      entry.run();
      const [next] = this.#line;
      if (next === undefined || !this.#share.ask(next.size)) return;
    }
  }

  #release(): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const resolve of waiters) resolve();
  }
}
