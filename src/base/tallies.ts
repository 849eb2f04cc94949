import { Counts } from './counts.ts';

/** How much somebody has, and how much of it each part has. */
export interface Tally {
  readonly key: string;
  readonly count: number;
  parts: Tallies | undefined;
}

/** As `Counts`, and who has the most is known without a look at all. A key with nothing takes no room. */
export class Tallies {
  readonly #tallies = new Map<string, { -readonly [K in keyof Tally]: Tally[K] }>();
  /** How many have one, how many two, and so on. */
  readonly #having = new Counts<number>();
  #most = 0;

  get(key: string): Tally | undefined {
    return this.#tallies.get(key);
  }

  /** Whether nobody has more. */
  isFirst({ count }: Tally): boolean {
    return count === this.#most;
  }

  /** Counts one more. */
  add(key: string): Tally {
    const tally = this.#tallies.get(key) ?? { key, count: 0, parts: undefined };
    this.#tallies.set(key, tally);
    if (tally.count > 0) this.#having.remove(tally.count);
    this.#having.add(++tally.count);
    this.#most = Math.max(this.#most, tally.count);
    return tally;
  }

  /** Counts one less. */
  remove(key: string): void {
    const tally = this.#tallies.get(key);
    if (tally === undefined) return;
    this.#having.remove(tally.count);
    // Who has had the most still has it, with one less, where nobody else has as much.
    if (tally.count === this.#most && this.#having.of(this.#most) === 0) this.#most--;
    if (--tally.count > 0) this.#having.add(tally.count);
    else this.#tallies.delete(key);
  }
}
