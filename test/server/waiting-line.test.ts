import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { WaitingLine } from '../../src/server/waiting-line.ts';

interface Item {
  readonly owner: number;
  readonly number: number;
}

/** One list in which everybody stands, to compare with. */
class PlainLine {
  items: Item[] = [];

  pass(mayGo: (item: Item) => boolean, go: (item: Item) => void): void {
    const blocked = new Set<number>();
    for (const item of [...this.items]) {
      if (blocked.has(item.owner) || !mayGo(item)) {
        blocked.add(item.owner);
        continue;
      }
      this.items = this.items.filter((other) => other !== item);
      go(item);
    }
  }
}

type Step =
  | { readonly kind: 'push'; readonly owner: number }
  | { readonly kind: 'remove'; readonly owner: number }
  | { readonly kind: 'pass'; readonly open: readonly number[]; readonly most: number };

const owner = fc.integer({ min: 0, max: 4 });
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: fc.record({ kind: fc.constant('push' as const), owner }) },
    fc.record({ kind: fc.constant('remove' as const), owner }),
    fc.record({
      kind: fc.constant('pass' as const),
      open: fc.subarray([0, 1, 2, 3, 4]),
      most: fc.integer({ min: 0, max: 6 }),
    }),
  ),
  { maxLength: 60 },
);

describe('a line of those who wait', () => {
  it('has them go in the order in which they came, but nobody stands behind what waits of another', () => {
    fc.assert(
      fc.property(steps, (all) => {
        const line = new WaitingLine<number, Item>();
        const plain = new PlainLine();
        let number = 0;
        const push = (who: number) => {
          const item = { owner: who, number: number++ };
          const isFirst = !plain.items.some((other) => other.owner === who);
          plain.items.push(item);
          return { item, isFirst };
        };
        for (const step of all) {
          if (step.kind === 'push') {
            const { item, isFirst } = push(step.owner);
            expect(line.push(step.owner, item)).toBe(isFirst);
          } else if (step.kind === 'remove') {
            expect(line.remove(step.owner)).toEqual(plain.items.filter((item) => item.owner === step.owner));
            plain.items = plain.items.filter((item) => item.owner !== step.owner);
          } else {
            const run = (of: Pick<WaitingLine<number, Item>, 'pass'>) => {
              const went: number[] = [];
              of.pass(
                (item) => went.length < step.most && step.open.includes(item.owner),
                (item) => went.push(item.number),
              );
              return went;
            };
            expect(run(line)).toEqual(run(plain));
          }
          expect(line.length).toBe(plain.items.length);
          const firsts = plain.items.filter(
            (item, i) => plain.items.findIndex((other) => other.owner === item.owner) === i,
          );
          expect([...line.firsts()].map((item) => item.number).sort((a, b) => a - b)).toEqual(
            firsts.map((item) => item.number),
          );
        }
      }),
    );
  });

  it('does not ask those who come while others go', () => {
    const line = new WaitingLine<string, string>();
    line.push('a', 'first');
    const went: string[] = [];
    const pass = () =>
      line.pass(
        () => true,
        (item) => {
          went.push(item);
          line.push('a', 'again');
        },
      );
    pass();
    expect(went).toEqual(['first']);
    pass();
    expect([went.length, line.length]).toEqual([2, 1]);
  });

  it('goes on when one that goes has others leave', () => {
    const line = new WaitingLine<string, string>();
    for (const who of ['a', 'b', 'c']) line.push(who, who);
    const went: string[] = [];
    const pass = () =>
      line.pass(
        (item) => item !== 'a',
        (item) => {
          went.push(item);
          line.remove('a');
        },
      );
    pass();
    pass();
    expect([went, line.length]).toEqual([['b', 'c'], 0]);
  });
});
