import type { Env, Timer } from './env.ts';

/** How often it is looked at who moves, while somebody waits. */
export const WATCH_MS = 500;
/** What each may hold, in bytes, however much the others do; less where there are many. */
export const FREE_SHARE = 128 * 1024;
/** By how much of the limit probes may go beyond it. */
const PROBED = 1;

/** Who holds memory for a remote side. */
export interface BudgetHolder {
  /** Bytes that the remote side has moved so far, in the direction that frees what is held. */
  readonly moved: number;
  /** Whether it could have moved some since it was last asked: it had something to move, and was let. */
  couldMove(): boolean;
  /** Whether, when it is in line, only others keep it waiting. Else what it holds has to go first. */
  readonly isBlocked: boolean;
  /** Told to release everything, as others wait and the remote side stands still. Ends with `set(0)`. */
  giveUp(): void;
  /** What `ask` was refused is granted now. */
  granted(): void;
  /**
   * Asked of whoever is in line, now and then: to let the remote side move a little all the same, since nobody knows
   * whether one that is held up stands still.
   */
  probe?(): void;
}

export interface BudgetOptions {
  /** Bytes. */
  readonly limit: number;
  readonly env: Env;
  /** Whoever has moved less than this, in bytes, ... */
  readonly leastProgress: number;
  /** ... in each of so many intervals of `WATCH_MS` stands still. */
  readonly looks: number;
  /** What whoever has gone so far beyond the limit that there are no probes any more has to move, in the same time. */
  readonly leastProgressBeyond?: number;
}

export interface BudgetShare {
  readonly held: number;
  /** Says how many bytes are held now. */
  set(bytes: number): void;
  /** Whether so many bytes more may be held, now. */
  take(bytes: number): boolean;
  /** The same; if not, the holder stands in line until its `granted` is called. */
  ask(bytes: number): boolean;
  /** Whether this is the one that may go beyond the limit. */
  readonly hasTurn: boolean;
  /** Bytes that `take` would say yes to now, not counting the turn. */
  readonly room: number;
  /** Leaves the line, and gives up the turn: what was begun is complete. */
  leave(): void;
}

/** What shares ask of their budget. */
interface Ledger {
  set(share: Share, bytes: number): void;
  take(share: Share, bytes: number): boolean;
  ask(share: Share, bytes: number): boolean;
  room(share: Share): number;
  hasTurn(share: Share): boolean;
  leave(share: Share): void;
}

/** A class, since there are two for each connection: an object with functions of its own takes a kilobyte more. */
class Share implements BudgetShare {
  readonly holder: BudgetHolder;
  readonly #ledger: Ledger;
  held = 0;
  /** What it had moved at the last look, which one that was, and for how many it has hardly moved. */
  seen = 0;
  seenAt = 0;
  still = 0;

  constructor(holder: BudgetHolder, ledger: Ledger) {
    this.holder = holder;
    this.#ledger = ledger;
  }

  set(bytes: number): void {
    if (bytes !== this.held) this.#ledger.set(this, bytes);
  }

  take(bytes: number): boolean {
    return this.#ledger.take(this, bytes);
  }

  ask(bytes: number): boolean {
    return this.#ledger.ask(this, bytes);
  }

  get room(): number {
    return this.#ledger.room(this);
  }

  get hasTurn(): boolean {
    return this.#ledger.hasTurn(this);
  }

  leave(): void {
    this.#ledger.leave(this);
  }
}

/**
 * One bound on memory for many holders. Whoever wants more than there is waits in line; one at a time may go beyond
 * the limit, so that a message larger than what is left gets through, and holders that are all halfway do not wait
 * for each other for ever. That one has its turn until what it began is complete, or it has to give up. While somebody
 * waits, holders whose remote side stands still are told to give up, the largest first and no more of them than
 * needed.
 */
export class Budget {
  readonly limit: number;
  readonly #options: BudgetOptions;
  #used = 0;
  readonly #holders = new Set<Share>();
  /** Who waits, first come first, and for how much. */
  readonly #line = new Map<Share, number>();
  #turn: Share | undefined;
  /** Whose turn in line it is at this moment. */
  #served: Share | undefined;
  #isPressed = false;
  #looks = 0;
  #timer: Timer | undefined;
  readonly #ledger: Ledger = {
    set: (share, bytes) => this.#set(share, bytes),
    take: (share, bytes) => this.#take(share, bytes),
    ask: (share, bytes) => this.#ask(share, bytes),
    room: (share) => this.#room(share),
    hasTurn: (share) => this.#turn === share,
    leave: (share) => this.#leave(share),
  };

  constructor(options: BudgetOptions) {
    this.limit = options.limit;
    this.#options = options;
  }

  /** Bytes held by all. */
  get used(): number {
    return this.#used;
  }

  share(holder: BudgetHolder): BudgetShare {
    return new Share(holder, this.#ledger);
  }

  #room({ held }: Share): number {
    const rest = this.#line.size > 0 ? 0 : this.limit - this.#used;
    return Math.max(0, rest, this.#freeShare - held);
  }

  /** Something else that holders block is waited for: those that stand still have to go until it is not any more. */
  set isPressed(isPressed: boolean) {
    this.#isPressed = isPressed;
    this.#watch();
  }

  #set(share: Share, bytes: number): void {
    const less = bytes < share.held;
    this.#used += bytes - share.held;
    share.held = bytes;
    if (bytes > 0) {
      this.#holders.add(share);
    } else {
      this.#holders.delete(share);
      share.still = 0;
      if (this.#turn === share) this.#turn = undefined;
    }
    if (less) this.#serve();
  }

  #take(share: Share, bytes: number): boolean {
    const { held } = share;
    if (held + bytes <= this.#freeShare) return true;
    if (this.#line.size > 0 && this.#served !== share) return false;
    if (this.#used + bytes <= this.limit) return true;
    if (this.#turn !== undefined || !share.holder.isBlocked) return false;
    this.#turn = share;
    return true;
  }

  get #freeShare(): number {
    return Math.min(FREE_SHARE, this.limit / (this.#holders.size + 1));
  }

  #ask(share: Share, bytes: number): boolean {
    if (this.#take(share, bytes)) {
      if (this.#line.delete(share)) this.#watch();
      return true;
    }
    this.#line.set(share, bytes);
    this.#watch();
    return false;
  }

  #leave(share: Share): void {
    share.still = 0;
    if (this.#turn === share) this.#turn = undefined;
    else if (!this.#line.delete(share)) return;
    this.#serve();
  }

  #serve(): void {
    for (const [share, bytes] of this.#line) {
      if (this.#used + bytes > this.limit) {
        if (this.#turn !== undefined) return;
        if (!share.holder.isBlocked) continue;
        this.#turn = share;
      }
      this.#line.delete(share);
      this.#served = share;
      share.holder.granted();
      this.#served = undefined;
    }
    this.#watch();
  }

  get #isWanted(): boolean {
    return this.#isPressed || this.#line.size > 0;
  }

  /** Begins to look, or ends. */
  #watch(): void {
    if (this.#isWanted === (this.#timer !== undefined)) return;
    this.#timer?.cancel();
    this.#timer = undefined;
    if (!this.#isWanted) return;
    // What was seen the last time says nothing of now.
    this.#looks++;
    this.#schedule();
  }

  #schedule(): void {
    this.#timer = this.#options.env.setTimer(WATCH_MS, () => this.#look());
  }

  #look(): void {
    this.#looks++;
    this.#schedule();
    const { looks, leastProgress, leastProgressBeyond = leastProgress } = this.#options;
    const most = this.limit * (1 + PROBED);
    const still: Share[] = [];
    for (const share of this.#holders) {
      const { moved } = share.holder;
      const least = share === this.#turn && this.#used > most ? leastProgressBeyond : leastProgress;
      const couldMove = share.holder.couldMove();
      if (share.seenAt < this.#looks - 1) share.still = 0;
      else if (couldMove) share.still = moved - share.seen < least ? share.still + 1 : 0;
      share.seen = moved;
      share.seenAt = this.#looks;
      if (share.still >= looks) still.push(share);
    }
    for (const { holder } of still.sort((a, b) => b.held - a.held)) {
      if (!this.#isInNeed) break;
      holder.giveUp();
    }
    // Whoever has the turn has room of its own beyond that.
    if (this.#used - (this.#turn?.held ?? 0) > most) return;
    for (const { holder } of [...this.#line.keys()]) holder.probe?.();
  }

  get #isInNeed(): boolean {
    return this.#isPressed || [...this.#line.keys()].some(({ holder }) => holder.isBlocked);
  }
}
