import { formatIpv4 } from '../../src/base/ip.ts';
import { isGlobal } from '../../src/base/ip-class.ts';

/** Numbers that follow from a seed. Each part of a simulation has its own, so that one does not shift the others. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** Of [0, 1). */
  fraction(): number {
    // mulberry32
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }

  /** An integer of [0, n). */
  below(n: number): number {
    return Math.floor(this.fraction() * n);
  }

  /** Whether something of this probability happens. */
  chance(probability: number): boolean {
    return probability > 0 && this.fraction() < probability;
  }

  /** An exponentially distributed number with this mean. */
  exponential(mean: number): number {
    return -mean * Math.log(1 - this.fraction());
  }

  bytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.below(256));
  }

  /** A public IPv4 address: as a rule each in a network of its own. */
  address(): string {
    for (;;) {
      const address = this.bytes(4);
      if (isGlobal(address)) return formatIpv4(address);
    }
  }

  pick<T>(items: readonly T[]): T {
    const item = items[this.below(items.length)];
    if (item === undefined) throw new Error('there is nothing to pick from');
    return item;
  }
}
