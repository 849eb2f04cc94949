import type { Env } from './env.ts';

/** An integer of [0, n). */
export function randomBelow(n: number, randomBytes: Env['randomBytes']): number {
  return Math.floor(randomFraction(randomBytes) * n);
}

/** A number of [0, 1). */
export function randomFraction(randomBytes: Env['randomBytes']): number {
  const [a = 0, b = 0, c = 0, d = 0] = randomBytes(4);
  return (((a << 24) | (b << 16) | (c << 8) | d) >>> 0) / 2 ** 32;
}
