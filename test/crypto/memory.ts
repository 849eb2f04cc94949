/** Memory that is not what it seems, for tests. */

type Resizable = ArrayBuffer & { resize(length: number): void };

/** A buffer that can grow to `max` bytes, and shrink. */
export function resizable(length: number, max = 4096): Resizable {
  return Reflect.construct(ArrayBuffer, [length, { maxByteLength: max }]);
}

/** Hands the memory of `view` to nobody. */
export function detach(view: Uint8Array | Uint32Array): void {
  structuredClone(view, { transfer: [view.buffer as ArrayBuffer] });
}

/** A copy whose memory was handed to another thread. */
export function detached(view: Uint8Array | Uint32Array): Uint8Array | Uint32Array {
  const copy = view.slice();
  detach(copy);
  return copy;
}

export function detachedBytes(bytes: Uint8Array): Uint8Array {
  // `slice` of a Buffer does not copy.
  const copy = new Uint8Array(bytes);
  detach(copy);
  return copy;
}

/** A copy in memory of several threads. */
export function sharedBytes(bytes: Uint8Array): Uint8Array {
  const copy = new Uint8Array(new SharedArrayBuffer(bytes.length));
  copy.set(bytes);
  return copy;
}

/** A view whose buffer was made shorter than it. */
export function cutOff(bytes: Uint8Array): Uint8Array {
  const buffer = resizable(bytes.length + 1);
  const view = new Uint8Array(buffer, 1, bytes.length);
  view.set(bytes);
  buffer.resize(0);
  return view;
}

/** A view whose length is another one each time it is asked for; the first answer is the true one. */
export function alternating(length: number, other: number): Uint8Array {
  const view = new Uint8Array(length);
  let asked = 0;
  return Object.defineProperty(view, 'length', { get: () => (asked++ % 2 === 0 ? length : other) });
}

/** The same by the class of the view. */
export function alternatingByClass(length: number, other: number): Uint8Array {
  let asked = 0;
  class Alternating extends Uint8Array {
    override get length(): number {
      return asked++ % 2 === 0 ? super.length : other;
    }
  }
  return new Alternating(new ArrayBuffer(length));
}
