import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LatestMap, setLatest } from '../../src/base/recent.ts';

const MAX = 4;
const KEYS = [...'abcdefg'];

type Step = {
  readonly kind: 'set' | 'use' | 'get' | 'delete' | 'forget';
  readonly key: string;
  readonly value: number;
};

const steps = fc.array(
  fc.record<Step>({
    kind: fc.constantFrom('set', 'set', 'use', 'get', 'delete', 'forget'),
    key: fc.constantFrom(...KEYS),
    value: fc.nat(9),
  }),
  { maxLength: 60 },
);

describe('a map of the latest entries that are used', () => {
  it('does what a Map would whose entries are taken out and put in again', () => {
    fc.assert(
      fc.property(steps, (all) => {
        const map = new LatestMap<number>(MAX);
        const model = new Map<string, number>();
        for (const { kind, key, value } of all) {
          const known = model.get(key);
          if (kind === 'set') {
            map.set(key, value);
            setLatest(model, key, value, MAX);
          } else if (kind === 'use') {
            expect(map.use(key)).toBe(known);
            if (known !== undefined) setLatest(model, key, known, MAX);
          } else if (kind === 'get') {
            expect(map.get(key)).toBe(known);
          } else if (kind === 'delete') {
            map.delete(key);
            model.delete(key);
          } else {
            map.forgetWhile((kept) => kept < value);
            for (const [oldest, kept] of model) {
              if (kept >= value) break;
              model.delete(oldest);
            }
          }
          expect(map.size).toBe(model.size);
          expect(KEYS.map((one) => map.get(one))).toEqual(KEYS.map((one) => model.get(one)));
          expect(map.oldest(() => true)).toBe(model.keys().next().value);
          const [odd] = [...model].find(([, kept]) => kept % 2 === 1) ?? [];
          expect(map.oldest((kept) => kept % 2 === 1)).toBe(odd);
        }
      }),
    );
  });
});
