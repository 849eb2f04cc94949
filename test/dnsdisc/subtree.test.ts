import { describe, expect, it } from 'vitest';
import { depthFirst, MAX_DEPTH, MAX_PENDING, type Place, Subtree } from '../../src/dnsdisc/subtree.ts';

function take(subtree: Subtree): Place {
  const place = subtree.take(depthFirst);
  if (place === undefined) throw new Error('nothing is left');
  return place;
}

const names = (from: number, count: number): string[] =>
  Array.from({ length: count }, (_, i) => `n${from + i}`);

describe('a pass over a subtree', () => {
  it('visits each entry once, whatever the order', () => {
    for (const draw of [depthFirst, () => 0, (below: number) => below >> 1]) {
      const subtree = new Subtree('top', 1_000);
      const visited: string[] = [];
      for (let place = subtree.take(draw); place !== undefined; place = subtree.take(draw)) {
        visited.push(place.hash);
        // Every branch names the same, itself and the top too: a loop.
        if (place.depth < 5)
          expect(subtree.add(place, ['top', place.hash, ...names(3 * place.depth, 4)])).toBe(true);
      }
      expect([...visited].sort()).toEqual([...new Set(visited)].sort());
      expect([visited.length, subtree.isDone, subtree.isPartial]).toEqual([subtree.size, true, false]);
    }
  });

  it('knows of so many entries to come, and no more', () => {
    const subtree = new Subtree('top', 10 * MAX_PENDING);
    const place = take(subtree);
    expect(subtree.add(place, names(0, MAX_PENDING))).toBe(true);
    expect([subtree.add(place, ['one more']), subtree.isPartial, subtree.size]).toEqual([
      false,
      true,
      MAX_PENDING + 1,
    ]);
    take(subtree);
    expect(subtree.add(place, ['one more'])).toBe(true);
  });

  it('knows of so many entries in all', () => {
    const subtree = new Subtree('top', 100);
    for (let i = 0; i < 200; i++) {
      const place = subtree.take(depthFirst);
      if (place !== undefined) subtree.add({ ...place, depth: 0 }, names(7 * i, 7));
    }
    expect([subtree.size, subtree.isDone, subtree.isPartial]).toEqual([100, true, true]);
  });

  it('goes so deep', () => {
    const subtree = new Subtree('top', 1_000);
    for (let depth = 0; depth < MAX_DEPTH; depth++)
      expect(subtree.add(take(subtree), names(depth, 1))).toBe(true);
    expect([subtree.add(take(subtree), ['below']), subtree.isDone]).toEqual([false, true]);
  });

  it('leaves what is not ready where it is', () => {
    const subtree = new Subtree('top', 1_000);
    const isReady = (hash: string) => hash !== 'bad';
    for (const from of [0, 1, 2]) {
      subtree.add({ hash: 'top', depth: 0 }, from === 0 ? ['bad', 'good', 'better'] : names(2 * from, 2));
      const visited: string[] = [];
      const draw = (below: number) => from % below;
      for (
        let place = subtree.take(draw, isReady);
        place !== undefined;
        place = subtree.take(draw, isReady)
      ) {
        visited.push(place.hash);
      }
      expect([visited.length, visited.includes('bad'), subtree.isDone]).toEqual([
        from === 0 ? 3 : 2,
        false,
        false,
      ]);
    }
    expect(subtree.firstReady((hash) => hash.length)).toBe(3);
    expect([subtree.take(depthFirst)?.hash, subtree.isDone]).toEqual(['bad', true]);
    expect(subtree.firstReady(() => 0)).toBe(Number.POSITIVE_INFINITY);
  });

  it('has what was put back to visit again', () => {
    const subtree = new Subtree('top', 1_000);
    const place = take(subtree);
    expect(subtree.isDone).toBe(true);
    subtree.putBack(place);
    expect(take(subtree)).toEqual(place);
  });
});
