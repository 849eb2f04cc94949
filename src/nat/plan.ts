/** When a mapping is asked for again, and what follows from the router's clock. */

/** Seconds that a mapping is asked for: when the node is gone without taking it back, it is gone soon too. */
export const LEASE = 600;
/** No longer than this a changed external address, or a router that has lost its mappings, stays unnoticed. */
export const MAX_RENEWAL_MS = 2 * 60 * 1000;
/** However short a lease a router grants, it is not asked more often. */
export const MIN_RENEWAL_MS = 1_000;
/** Within this time a router is believed one restart: its clock may say anything, and each has all ports asked for. */
export const MIN_RESTART_MS = 60 * 1000;
export const FIRST_RETRY_MS = 5_000;
export const MAX_RETRY_MS = 10 * 60 * 1000;

/** @param lifetime seconds that the router grants; @returns milliseconds: half of them, within bounds */
export function renewalAfter(lifetime: number): number {
  return Math.min(MAX_RENEWAL_MS, Math.max(MIN_RENEWAL_MS, lifetime * 500));
}

/**
 * @param lifetime seconds that the router grants
 * @returns milliseconds after which a mapping that could not be renewed is given up: a router that is gone, or does not want
 * it any more, does not keep a promise without an end
 */
export function keptFor(lifetime: number): number {
  return Math.min(lifetime, LEASE) * 1_000;
}

/**
 * @param failures in a row, from 1
 * @param leftMs of the lease of a mapping that could not be renewed: one more try is made before it ends
 * @returns milliseconds
 */
export function retryAfter(failures: number, leftMs = Number.POSITIVE_INFINITY): number {
  const backOff = Math.min(MAX_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(failures - 1, 20));
  if (leftMs <= 0) return backOff;
  return Math.min(backOff, Math.max(MIN_RENEWAL_MS, leftMs / 2));
}

/** What a router has said of its clock, and when, on ours. */
export interface Epoch {
  /** Seconds. */
  readonly epoch: number;
  readonly atMs: number;
}

/**
 * Whether the router has lost its mappings between two answers: its clock has gone back, or by far not as ours (RFC 6887,
 * section 8.5, which is also strict enough for NAT-PMP).
 */
export function hasRestarted(before: Epoch, now: Epoch): boolean {
  if (now.epoch + 1 < before.epoch) return true;
  const theirs = now.epoch - before.epoch;
  const ours = (now.atMs - before.atMs) / 1_000;
  return ours + 2 < theirs - theirs / 16 || theirs + 2 < ours - ours / 16;
}
