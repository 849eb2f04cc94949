/** Garbage collection on demand, in a process that was not started with `--expose-gc`. */
import { memoryUsage } from 'node:process';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');
const collect: unknown = runInNewContext('gc');

/** Bytes that are in use by JavaScript after garbage collection: its heap, and what arrays hold outside of it. */
export function bytesInUse(): number {
  if (typeof collect !== 'function') throw new Error('garbage cannot be collected on demand');
  // What finalizers and weak references held goes in the second round.
  for (let round = 0; round < 2; round++) collect();
  const { heapUsed, external } = memoryUsage();
  return heapUsed + external;
}
