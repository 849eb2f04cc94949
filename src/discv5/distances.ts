import { logDistance } from '../kad/index.ts';

/** The farthest that a node can be. */
export const MAX_DISTANCE = 256;
/** Distances that one question of a lookup names: that of the target, and the next to it. */
const LOOKUP_DISTANCES = 3;

/**
 * At which distances from a node those are that may be close to the target (discv5-theory.md, "Lookup Protocol"): nodes in the
 * target's own bucket first; where that has few, those beside it are the next best.
 */
export function lookupDistances(id: Uint8Array, target: Uint8Array): number[] {
  const middle = logDistance(id, target);
  const distances = [middle];
  for (let step = 1; distances.length < LOOKUP_DISTANCES; step++) {
    if (middle + step <= MAX_DISTANCE) distances.push(middle + step);
    if (middle - step >= 1) distances.push(middle - step);
  }
  return distances.slice(0, LOOKUP_DISTANCES);
}
