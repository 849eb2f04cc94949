/**
 * Memory given back at once. A dropped buffer waits for the garbage collector, which lets tens of megabytes of them
 * gather before it looks; who is bounded by what peers send cannot wait for that.
 */

/** What is posted to a port whose other end is closed is destroyed on the spot, the buffers moved to it included. */
const { port1: sink, port2: other } = new MessageChannel();
other.close();

/**
 * Frees the buffer behind `bytes`, if it holds up to `slack` bytes beside them; whoever still has a view of it finds
 * that empty.
 */
export function release({ buffer, length }: Uint8Array, slack = 0): void {
  if (length === 0 || !(buffer instanceof ArrayBuffer) || buffer.byteLength > length + slack) return;
  sink.postMessage(undefined, [buffer]);
}
