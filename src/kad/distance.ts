/** The distance of discv4.md, "Node Identities": exclusive or of two ids, taken as a number. */

/** Bytes of a node id. */
export const ID_LENGTH = 32;

/** 0 for equal ids, else 1..256: the position of the highest bit in which they differ. Ids are 32 bytes. */
export function logDistance(a: Uint8Array, b: Uint8Array): number {
  for (let i = 0; i < ID_LENGTH; i++) {
    const difference = (a[i] ?? 0) ^ (b[i] ?? 0);
    if (difference !== 0) return (ID_LENGTH - i) * 8 - (Math.clz32(difference) - 24);
  }
  return 0;
}

/** Negative, zero or positive, as `a` is closer to `target` than `b`, the same, or farther. */
export function compareDistance(target: Uint8Array, a: Uint8Array, b: Uint8Array): number {
  for (let i = 0; i < ID_LENGTH; i++) {
    const [x, y] = [a[i] ?? 0, b[i] ?? 0];
    if (x !== y) {
      const to = target[i] ?? 0;
      return (x ^ to) - (y ^ to);
    }
  }
  return 0;
}
