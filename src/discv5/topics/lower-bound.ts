/**
 * A waiting time may not fall faster than time goes by (discv5-theory.md, "Waiting-Time Lower Bound"), or whoever asks
 * again and again would gain. There are two such bounds, of the service and of the address, whose sum is the waiting
 * time: so each falls half as fast as time goes by. A bound is kept as the time at which it is down to zero: the largest
 * of several then is the latest, now and ever after.
 */

/** What a bound falls by in a millisecond. */
export const FALL: number = 1 / 2;

/** The bound of what nobody has asked for. */
export const NO_BOUND: number = Number.NEGATIVE_INFINITY;

/** What is left of a bound, in milliseconds. */
export function boundAt(bound: number, now: number): number {
  return Math.max(0, (bound - now) * FALL);
}

/** The bound that is `ms` now, or was more before. */
export function raised(bound: number, ms: number, now: number): number {
  return Math.max(bound, now + ms / FALL);
}
