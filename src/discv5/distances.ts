import { logDistance } from '../kad/index.ts';

/** The farthest that a node can be. */
export const MAX_DISTANCE = 256;
/** Distances that one question of a lookup names: that of the target, and the next to it. */
const LOOKUP_DISTANCES = 3;
/** Those of one question of a node that knows fewer others than `FEW_KNOWN`: of a few nodes the next may be in any bucket. */
const DISTANCES_OF_FEW = 16;
const FEW_KNOWN = 16;

/**
 * At which distances from a node those are that may be close to the target (discv5-theory.md, "Lookup Protocol"): nodes in the
 * target's own bucket first; where that has few, those beside it are the next best.
 * @param known how many nodes whoever asks knows
 */
export function lookupDistances(
  id: Uint8Array,
  target: Uint8Array,
  known: number = Number.POSITIVE_INFINITY,
): number[] {
  const middle = logDistance(id, target);
  const distances = [middle];
  const count = known < FEW_KNOWN ? DISTANCES_OF_FEW : LOOKUP_DISTANCES;
  for (let step = 1; distances.length < count; step++) {
    if (middle + step <= MAX_DISTANCE) distances.push(middle + step);
    if (middle - step >= 1) distances.push(middle - step);
  }
  return distances.slice(0, count);
}
