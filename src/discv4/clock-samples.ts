/**
 * By how much the clock of this node differs from those of others, told from when their packets expire. Nobody has proved
 * anything by then: it is a hint for people, and one network has one say.
 */
import { PACKET_LIFETIME_S } from './attempts.ts';

/** Networks of which the latest packet is remembered; of more none is taken until one is out of date. */
export const MAX_CLOCK_SAMPLES = 64;
/** A sample counts for so long, and in that time no other is taken of its network. */
export const CLOCK_SAMPLE_MS: number = 5 * 60_000;
/** Of fewer networks nothing is said. */
export const MIN_CLOCK_SAMPLES = 5;

export interface ClockSkew {
  /** Seconds by which the clocks of others are ahead of ours; negative when ours is ahead. */
  readonly seconds: number;
  /** Of so many networks (of a LAN, nodes) that is the median. */
  readonly samples: number;
}

export class ClockSamples {
  readonly #samples = new Map<string, { readonly seconds: number; readonly at: number }>();

  get size(): number {
    return this.#samples.size;
  }

  /** @param lifetime seconds for which a packet of somebody there is still valid by our clock; negative for one that is not */
  add(owner: string, lifetime: number, now: number): void {
    const known = this.#samples.get(owner);
    if (known !== undefined && now - known.at < CLOCK_SAMPLE_MS) return;
    if (known === undefined && this.#samples.size >= MAX_CLOCK_SAMPLES && !this.#forgetOne(now)) return;
    this.#samples.delete(owner);
    this.#samples.set(owner, { seconds: lifetime - PACKET_LIFETIME_S, at: now });
  }

  /** `undefined` when too few have been heard of. */
  skew(now: number): ClockSkew | undefined {
    const found: number[] = [];
    for (const { seconds, at } of this.#samples.values())
      if (now - at < 2 * CLOCK_SAMPLE_MS) found.push(seconds);
    if (found.length < MIN_CLOCK_SAMPLES) return undefined;
    found.sort((a, b) => a - b);
    return { seconds: found[Math.floor(found.length / 2)] ?? 0, samples: found.length };
  }

  #forgetOne(now: number): boolean {
    for (const [owner, { at }] of this.#samples) {
      if (now - at < CLOCK_SAMPLE_MS) return false;
      return this.#samples.delete(owner);
    }
    return false;
  }
}
