/** What has arrived on one connection and nobody has taken yet, and when the socket is read. */
import type { Budget, BudgetHolder, BudgetShare } from '../base/budget.ts';
import type { Env } from '../base/env.ts';
import type { Wire } from '../io/tcp.ts';
import type { Link } from '../p2p/index.ts';
import type { Lanes, Reader } from './lanes.ts';
import type { BandwidthShare, Throttle } from './throttle.ts';

/** Messages that no handler has taken yet: above either no more are decoded. */
export const UNREAD_HIGH_WATER = 256 * 1024;
export const UNREAD_MESSAGES = 256;
/** Whole frames that wait for a batch, or all that waits for handlers that lag: above this the socket is not read. */
export const UNDECODED_HIGH_WATER = 128 * 1024;

export interface InputOptions {
  readonly wire: Wire;
  readonly link: Link;
  readonly env: Env;
  readonly budget: Budget;
  readonly lanes: Lanes;
  readonly owner: InputOwner;
  /** Undefined: it is read as fast as it comes. */
  readonly throttle?: Throttle | undefined;
}

/** The connection. */
export interface InputOwner {
  /** Memory is short, and this peer does not do its part to give some back. */
  giveUp(): void;
  /** What was done may have changed what is due first. */
  arm(): void;
}

export class Input implements BudgetHolder, Reader {
  readonly #wire: Wire;
  readonly #link: Link;
  readonly #env: Env;
  readonly #lanes: Lanes;
  readonly #owner: InputOwner;
  readonly #share: BudgetShare;
  readonly #bandwidth: BandwidthShare | undefined;
  /** It waits for bandwidth. */
  #isThrottled = false;
  /** It is not read for the sake of others: for want of bandwidth, or of the memory that they have. */
  #isHeld = false;
  /** Milliseconds in which it was not, until the last time began. */
  #heldMs = 0;
  #heldAt = 0;
  #unreadLength = 0;
  #unreadMessages = 0;
  /** Received, and taken by handlers after the end. */
  #movedLength = 0;
  #isPaused = false;
  #isWirePaused = false;
  /** What other connections have brought is decoded first. */
  #awaitsTurn = false;
  /** One chunk may come although others have the memory for it. */
  #isProbed = false;
  /** Whether something has come since `couldMove` was last asked. */
  #hasReceived = false;
  /** The peer sends no more. */
  #isEnded = false;
  #isOver = false;
  #isReleased = false;

  constructor({ wire, link, env, budget, lanes, owner, throttle }: InputOptions) {
    this.#wire = wire;
    this.#link = link;
    this.#env = env;
    this.#lanes = lanes;
    this.#owner = owner;
    this.#share = budget.share(this);
    this.#bandwidth = throttle?.share();
  }

  received(chunk: Uint8Array): void {
    this.#movedLength += chunk.length;
    this.#isProbed = false;
    this.#hasReceived = true;
    this.#throttle(chunk.length);
    this.#link.receive(chunk, this.#env.now());
    this.#awaitsTurn = !this.#lanes.received(chunk.length, this);
    this.decoded();
  }

  /** Milliseconds, in all, in which it was not read for the sake of others. */
  get heldMs(): number {
    return this.#heldMs + (this.#isHeld ? this.#env.now() - this.#heldAt : 0);
  }

  #hold(isHeld: boolean): void {
    if (isHeld === this.#isHeld) return;
    const now = this.#env.now();
    this.#heldMs = this.heldMs;
    this.#heldAt = now;
    this.#isHeld = isHeld;
    this.#link.hold(isHeld, now);
  }

  #throttle(length: number): void {
    const bandwidth = this.#bandwidth;
    if (bandwidth === undefined) return;
    bandwidth.spend(length);
    // A handshake is short, and late whatever others bring: a stranger's place among those who have not answered is not held for it.
    if (this.#link.state !== 'open' || this.#isThrottled || bandwidth.isOpen) return;
    this.#isThrottled = true;
    bandwidth.wait(() => {
      this.#isThrottled = false;
      this.#regulate();
    });
  }

  /**
   * The peer sends no more. What it has sent is decoded from now on however the handlers lag, which is little, so that the
   * connection need not outlive the peer; they find it in their channels.
   */
  ended(): void {
    this.#isEnded = true;
    this.decoded();
  }

  /** A message of so many held bytes waits for its handler. */
  queued(heldLength: number): void {
    this.#unreadLength += heldLength;
    this.#unreadMessages++;
    // A whole message has come: the turn is that of others.
    this.#share.leave();
    this.#account();
  }

  /** The handler has taken it. */
  consumed(heldLength: number): void {
    this.#unreadLength = Math.max(0, this.#unreadLength - heldLength);
    this.#unreadMessages--;
    if (this.#isOver) this.#movedLength += heldLength;
    this.decoded();
  }

  /** What has arrived, or waits, is not what it was. */
  decoded(): void {
    this.#account();
    this.#regulate();
  }

  /** The connection is over. What handlers have not taken is still held for them. */
  close(): void {
    this.#isOver = true;
    this.#lanes.leave(this);
    this.#hold(false);
    this.#bandwidth?.leave();
    this.#share.leave();
    this.#account();
  }

  /** No handler will take anything any more. */
  release(): void {
    this.#isReleased = true;
    this.#share.set(0);
  }

  // Reader

  readOn(): void {
    this.#awaitsTurn = false;
    this.#regulate();
  }

  // BudgetHolder

  get moved(): number {
    return this.#movedLength;
  }

  /**
   * Whether, for some time since this was last asked, it was for the peer to send more. When it is gone it is for the
   * handlers to take what it has left: the memory is for those that are here.
   */
  couldMove(): boolean {
    if (this.#isOver) return true;
    const wasRead = this.#hasReceived || !this.#isWirePaused;
    this.#hasReceived = false;
    return wasRead && this.#unfinishedLength > 0;
  }

  get isBlocked(): boolean {
    return true;
  }

  giveUp(): void {
    this.#owner.giveUp();
  }

  granted(): void {
    this.#regulate();
  }

  probe(): void {
    this.#isProbed = true;
    this.#regulate();
  }

  /** Bytes of a frame whose rest has not arrived. */
  get #unfinishedLength(): number {
    return this.#link.pendingLength - this.#link.undecodedLength;
  }

  #account(): void {
    if (!this.#isReleased) this.#share.set(this.#link.pendingLength + this.#unreadLength);
  }

  /**
   * Decoding stops while the handlers lag behind; reading while much waits to be decoded, or while other peers have the
   * memory that the frame still needs: who is not read cannot be seen to leave. Neither stops for output that the peer
   * leaves lying: two nodes that both did so would wait for each other for ever. Handlers wait for their own output, which
   * is enough.
   */
  #regulate(): void {
    if (this.#isOver) return;
    const isFull = this.#unreadLength > UNREAD_HIGH_WATER || this.#unreadMessages > UNREAD_MESSAGES;
    const lagging = isFull && !this.#isEnded;
    const wants = !lagging && this.#unfinishedLength > 0;
    if (!wants) this.#share.leave();
    const refused = wants && !this.#share.hasTurn && !this.#share.ask(0);
    if (lagging !== this.#isPaused) {
      this.#isPaused = lagging;
      if (lagging) this.#link.pause();
      else this.#link.resume(this.#env.now());
    }
    this.#hold(this.#isThrottled || (refused && !this.#isProbed));
    const full =
      this.#awaitsTurn ||
      this.#isHeld ||
      (lagging ? this.#link.pendingLength : this.#link.undecodedLength) > UNDECODED_HIGH_WATER;
    if (full !== this.#isWirePaused) {
      this.#isWirePaused = full;
      if (full) this.#wire.pause();
      else this.#wire.resume();
    }
    this.#owner.arm();
  }
}
