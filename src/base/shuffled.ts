import type { Env } from './env.ts';

/** The numbers below `count`, at most 2^32, in random order. */
export function shuffledNumbers(count: number, randomBytes: Env['randomBytes']): Uint32Array {
  const numbers = new Uint32Array(count);
  for (let i = 0; i < count; i++) numbers[i] = i;
  // One draw for all: each by itself takes longer than all the rest.
  const bytes = randomBytes(4 * count);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let i = count - 1; i > 0; i--) {
    const j = view.getUint32(4 * i) % (i + 1);
    const number = numbers[i] ?? 0;
    numbers[i] = numbers[j] ?? 0;
    numbers[j] = number;
  }
  return numbers;
}
