/** Memory for the bodies of frames that arrived in several chunks, used again when nothing of a body is left in it. */
import { unwritten } from '../base/bytes.ts';

/** Memory is made in multiples of this, in bytes, so that it fits again. */
const STEP = 16 * 1024;
/** As much as may be free at a time: eight bodies of 128 KiB, which are decoded side by side, and some more. */
const MAX_FREE = 2 * 1024 * 1024;

const free: Uint8Array[] = [];
let freeLength = 0;

/** Exactly so many bytes, with whatever is in them, of memory that is hardly larger. */
export function takeMemory(length: number): Uint8Array {
  const size = Math.ceil(length / STEP) * STEP;
  // What was used last is still in the CPU's caches.
  const index = free.findLastIndex((memory) => memory.length >= size && 2 * size > memory.length);
  const [found] = index < 0 ? [] : free.splice(index, 1);
  if (found !== undefined) freeLength -= found.length;
  return (found ?? unwritten(size)).subarray(0, length);
}

/** Memory of `takeMemory`, of which nobody has a view any more. */
export function giveBackMemory({ buffer }: Uint8Array): void {
  if (buffer.byteLength > MAX_FREE) return;
  free.push(new Uint8Array(buffer));
  freeLength += buffer.byteLength;
  // Sizes that nobody needs any more.
  while (freeLength > MAX_FREE) freeLength -= free.shift()?.length ?? freeLength;
}
