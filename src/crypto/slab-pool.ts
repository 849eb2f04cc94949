/** Memory for results: slabs that the small results of many calls share. */
import { unwritten } from '../base/bytes.ts';
import { PeerlaneError } from '../base/errors.ts';

export const SLAB_SIZE = 256 * 1024;

/** Hands out room from the front of a slab and never takes it back. */
export class SlabPool {
  // Not `EMPTY`: callers see the buffer, and may give it to another thread.
  #slab: Uint8Array = new Uint8Array(0);

  /** At least `wanted` bytes; how many of them are used is told to `use`. */
  room(wanted: number): Uint8Array {
    // One that was handed to another thread has no length.
    if (this.#slab.length < Math.max(1, wanted)) this.#slab = unwritten(Math.max(SLAB_SIZE, wanted));
    return this.#slab;
  }

  use(length: number): void {
    // A slab made for one large call is not kept for small views to hold on to.
    this.#slab = this.#slab.buffer.byteLength > SLAB_SIZE ? new Uint8Array(0) : this.#slab.subarray(length);
  }
}

/** @throws PeerlaneError `invalid-argument` if any of the `views`, of these `buffers`, lies where results are about to be written */
export function checkApart(
  views: readonly Uint8Array[],
  buffers: readonly ArrayBufferLike[],
  { buffer, byteOffset, length }: Uint8Array,
): void {
  for (let i = 0; i < views.length; i++) {
    const view = views[i];
    if (buffers[i] !== buffer || view === undefined) continue;
    if (view.byteOffset < byteOffset + length && byteOffset < view.byteOffset + view.length) {
      throw new PeerlaneError('invalid-argument', 'the bytes lie in the unused part of a slab');
    }
  }
}

/** @throws PeerlaneError `invalid-argument` if two of the `views`, each of which is written, have memory in common */
export function checkDisjoint(views: readonly Uint8Array[]): void {
  if (new Set(views.map(({ buffer }) => buffer)).size === views.length) return;
  const ends = new Map<ArrayBufferLike, number>();
  for (const { buffer, byteOffset, length } of [...views].sort((a, b) => a.byteOffset - b.byteOffset)) {
    const end = ends.get(buffer) ?? 0;
    if (length > 0 && byteOffset < end) {
      throw new PeerlaneError('invalid-argument', 'the bytes of two lanes have memory in common');
    }
    ends.set(buffer, Math.max(end, byteOffset + length));
  }
}
