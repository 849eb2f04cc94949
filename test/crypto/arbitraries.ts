import fc from 'fast-check';

export function byteArrays(min: number, max = min): fc.Arbitrary<Uint8Array> {
  return fc.uint8Array({ minLength: min, maxLength: max });
}

/** Bytes that repeat themselves: runs of a short pattern, with noise between. */
export function repetitive(max: number): fc.Arbitrary<Uint8Array> {
  const run = fc.record({ pattern: byteArrays(1, 12), times: fc.integer({ min: 1, max: 40 }) });
  return fc.array(run, { maxLength: 30 }).map((runs) => {
    const bytes = runs.flatMap(({ pattern, times }) =>
      Array.from({ length: times }, () => [...pattern]).flat(),
    );
    return Uint8Array.from(bytes.slice(0, max));
  });
}

/** Noise over few values: short and far matches. */
export function fewValues(max: number): fc.Arbitrary<Uint8Array> {
  return fc.uint8Array({ maxLength: max, max: 2 });
}

/** Bytes of a length that fast-check would be slow to draw one by one. */
export function longBytes(max: number): fc.Arbitrary<Uint8Array> {
  return fc
    .record({ length: fc.nat(max), seed: fc.integer(), alphabet: fc.constantFrom(1, 3, 40, 256) })
    .map(({ length, seed, alphabet }) => {
      let state = seed >>> 0;
      return Uint8Array.from({ length }, () => {
        state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
        return (state >>> 16) % alphabet;
      });
    });
}

export function payloads(max: number): fc.Arbitrary<Uint8Array> {
  return fc.oneof(byteArrays(0, 40), repetitive(Math.min(max, 2000)), fewValues(300), longBytes(max));
}
