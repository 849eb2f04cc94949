import type { Env, Timer } from './env.ts';

/** How often it is looked at who moves, while somebody waits. */
export const WATCH_MS = 500;
/** Whoever has moved less than this, in bytes, in each of two such intervals stands still: 16 KiB a second. */
export const LEAST_PROGRESS = 8 * 1024;
const LOOKS = 2;
/** Part of the limit by which probes may go beyond it. */
const PROBED = 0.5;
/** What each may hold, in bytes, however much the others do; less where there are many. */
export const FREE_SHARE = 128 * 1024;

/** Who holds memory for a remote side. */
export interface BudgetHolder {
  /**
   * Bytes that the remote side has moved so far, in the direction that frees what is held; undefined while that is
   * not for it to do.
   */
  readonly moved: number | undefined;
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
  /** Leaves the line, and gives up the turn. */
  leave(): void;
}

interface Entry extends BudgetShare {
  readonly holder: BudgetHolder;
  /** What it had moved at the last look, which one that was, and for how many it has hardly moved. */
  seen: number | undefined;
  seenAt: number;
  still: number;
}

/**
 * One bound on memory for many holders. Whoever wants more than there is waits in line; one at a time may go beyond
 * the limit, so that a message larger than what is left gets through, and holders that are all halfway do not wait
 * for each other for ever. While somebody waits, holders whose remote side stands still are told to give up, the
 * largest first and no more of them than needed. Whoever moves loses nothing.
 */
export class Budget {
  readonly limit: number;
  readonly #env: Env;
  #used = 0;
  readonly #holders = new Set<Entry>();
  /** Who waits, first come first, and for how much. */
  readonly #line = new Map<Entry, number>();
  #turn: Entry | undefined;
  /** Whose turn in line it is at this moment. */
  #served: Entry | undefined;
  #isPressed = false;
  #looks = 0;
  #timer: Timer | undefined;

  /** @param limit bytes */
  constructor({ limit, env }: { readonly limit: number; readonly env: Env }) {
    this.limit = limit;
    this.#env = env;
  }

  /** Bytes held by all. */
  get used(): number {
    return this.#used;
  }

  share(holder: BudgetHolder): BudgetShare {
    const budget = this;
    const entry: Entry = {
      holder,
      held: 0,
      seen: undefined,
      seenAt: 0,
      still: 0,
      set(bytes) {
        if (bytes !== this.held) budget.#set(this, bytes);
      },
      take(bytes) {
        return budget.#take(this, bytes);
      },
      ask(bytes) {
        return budget.#ask(this, bytes);
      },
      get hasTurn() {
        return budget.#turn === this;
      },
      leave() {
        budget.#leave(this);
      },
    };
    return entry;
  }

  /** Something else that holders block is waited for: those that stand still have to go until it is not any more. */
  set isPressed(isPressed: boolean) {
    this.#isPressed = isPressed;
    this.#watch();
  }

  #set(entry: Mutable<Entry>, bytes: number): void {
    const less = bytes < entry.held;
    this.#used += bytes - entry.held;
    entry.held = bytes;
    if (bytes > 0) {
      this.#holders.add(entry);
    } else {
      this.#holders.delete(entry);
      entry.seen = undefined;
      if (this.#turn === entry) this.#turn = undefined;
    }
    if (less) this.#serve();
  }

  #take(entry: Entry, bytes: number): boolean {
    const { held } = entry;
    if (held + bytes <= Math.min(FREE_SHARE, this.limit / (this.#holders.size + 1))) return true;
    if (this.#line.size > 0 && this.#served !== entry) return false;
    if (this.#used + bytes <= this.limit) return true;
    if (this.#turn !== undefined) return false;
    this.#turn = entry;
    return true;
  }

  #ask(entry: Entry, bytes: number): boolean {
    if (this.#take(entry, bytes)) {
      if (this.#line.delete(entry)) this.#watch();
      return true;
    }
    this.#line.set(entry, bytes);
    this.#watch();
    return false;
  }

  #leave(entry: Entry): void {
    if (this.#turn === entry) this.#turn = undefined;
    else if (!this.#line.delete(entry)) return;
    this.#serve();
  }

  #serve(): void {
    for (const [entry, bytes] of this.#line) {
      if (this.#used + bytes > this.limit) {
        if (this.#turn !== undefined) return;
        this.#turn = entry;
      }
      this.#line.delete(entry);
      this.#served = entry;
      entry.holder.granted();
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
    this.#timer = this.#env.setTimer(WATCH_MS, () => this.#look());
  }

  #look(): void {
    this.#looks++;
    this.#timer = this.#env.setTimer(WATCH_MS, () => this.#look());
    const still: Entry[] = [];
    for (const entry of this.#holders) {
      const { moved } = entry.holder;
      const before = entry.seenAt === this.#looks - 1 ? entry.seen : undefined;
      const stands = moved !== undefined && before !== undefined && moved - before < LEAST_PROGRESS;
      entry.still = stands ? entry.still + 1 : 0;
      entry.seen = moved;
      entry.seenAt = this.#looks;
      if (entry.still >= LOOKS) still.push(entry);
    }
    for (const { holder } of still.sort((a, b) => b.held - a.held)) {
      if (!this.#isWanted) return;
      holder.giveUp();
    }
    // Who hesitates makes room for the next, before it has to give up.
    if (this.#turn !== undefined && this.#turn.still > 0) this.#leave(this.#turn);
    if (this.#used > this.limit * (1 + PROBED)) return;
    for (const { holder } of [...this.#line.keys()]) holder.probe?.();
  }
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };
