/**
 * One bound on memory for many holders. A holder says how much it holds; when all together hold more than the
 * limit, those that have held something for the longest time are told to give up, until the rest fits. A holder
 * that comes back to nothing starts anew, so whoever makes progress outlives whoever sits on what it has.
 */
export class Budget {
  readonly limit: number;
  #used = 0;
  /** In the order in which they began to hold: a Set iterates by insertion. */
  readonly #holders = new Set<BudgetShare>();

  /** @param limit bytes */
  constructor(limit: number) {
    this.limit = limit;
  }

  /** Bytes held by all. */
  get used(): number {
    return this.#used;
  }

  /** @param giveUp called when this holder must release all that it holds; it ends with `set(0)`. */
  share(giveUp: () => void): BudgetShare {
    let held = 0;
    const share: BudgetShare = {
      giveUp,
      get held() {
        return held;
      },
      set: (bytes) => {
        this.#used += bytes - held;
        held = bytes;
        if (bytes === 0) this.#holders.delete(share);
        else this.#holders.add(share);
        if (this.#used > this.limit) this.#evict();
      },
    };
    return share;
  }

  #evict(): void {
    for (const holder of [...this.#holders]) {
      if (this.#used <= this.limit) return;
      holder.giveUp();
    }
  }
}

export interface BudgetShare {
  readonly held: number;
  /** Says how many bytes are held now. */
  set(bytes: number): void;
  readonly giveUp: () => void;
}
